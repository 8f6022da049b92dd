//! How many attempts a second a worker's session sustains with handlers that do nothing, against
//! a master in the same process over loopback gRPC. Prints the rate, and what an attempt costs the
//! worker's one thread, so that the figure does not depend on how busy the master is.
//!
//! `cargo bench -p capataz-worker --bench session_rate -- [ATTEMPTS] [CONCURRENCY]`

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use capataz_api::proto::workers_server::{Workers, WorkersServer};
use capataz_api::proto::{self, master_frame, worker_frame::Frame};
use capataz_worker::inline::{Attempt, HandlerError, Handlers, InlineExecutor};
use capataz_worker::session::{GrpcConnect, Session, SessionOptions};
use futures_util::{Stream, StreamExt};
use nix::time::{ClockId, clock_gettime};
use prost::Message;
use tokio::runtime::{Builder, Handle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

const ATTEMPTS: u64 = 500_000;
const CONCURRENCY: u64 = 1_000;

struct Service {
    attempts: u64,
    concurrency: u64,
    spec: bytes::Bytes,
    reports: Arc<AtomicU64>,
}

fn reply(frame: master_frame::Frame) -> Result<proto::MasterFrame, Status> {
    Ok(proto::MasterFrame { frame: Some(frame) })
}

impl Service {
    fn work(&self, tasks: std::ops::Range<u64>) -> master_frame::Frame {
        let assignments = tasks.map(|task| proto::Assignment {
            token: Some(proto::Token {
                task,
                index: None,
                attempt: 1,
            }),
            spec: self.spec.clone(),
        });
        master_frame::Frame::Work(proto::Work {
            assignments: assignments.collect(),
        })
    }
}

#[tonic::async_trait]
impl Workers for Service {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<proto::MasterFrame, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<proto::WorkerFrame>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut inbound = request.into_inner();
        let service = Service {
            spec: self.spec.clone(),
            reports: self.reports.clone(),
            ..*self
        };
        let (say, said) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            let _ = inbound.next().await;
            let welcome = proto::Welcome {
                session: 1,
                lease_ttl_us: 15_000_000,
                namespace: "default".to_owned(),
                stop: Vec::new(),
            };
            let _ = say.send(reply(master_frame::Frame::Welcome(welcome)));
            let mut next = service.concurrency.min(service.attempts);
            let _ = say.send(reply(service.work(0..next)));
            while let Some(Ok(frame)) = inbound.next().await {
                let said = match frame.frame {
                    Some(Frame::Heartbeat(beat)) => {
                        let sequence = beat.sequence;
                        vec![master_frame::Frame::Heartbeat(proto::HeartbeatAck {
                            sequence,
                        })]
                    }
                    Some(Frame::Reports(reports)) => {
                        service.reports.fetch_add(1, Ordering::Relaxed);
                        let tokens: Vec<_> = reports.ended.iter().filter_map(|e| e.token).collect();
                        let more = (next + tokens.len() as u64).min(service.attempts);
                        let work = service.work(next..more);
                        next = more;
                        vec![
                            master_frame::Frame::Acknowledged(proto::Acknowledged { tokens }),
                            work,
                        ]
                    }
                    // Ending the task hangs up.
                    Some(Frame::Goodbye(_)) => break,
                    _ => Vec::new(),
                };
                for frame in said {
                    let _ = say.send(reply(frame));
                }
            }
        });
        Ok(Response::new(
            tokio_stream::wrappers::UnboundedReceiverStream::new(said).boxed(),
        ))
    }
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .expect("Linux has it")
        .into()
}

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let attempts: u64 = numbers.next().unwrap_or(ATTEMPTS);
    let concurrency: u64 = numbers.next().unwrap_or(CONCURRENCY);
    let spec = proto::TaskSpec {
        group: "noop".to_owned(),
        payload: Some(bytes::Bytes::from_static(&[b'x'; 64])),
        ..proto::TaskSpec::default()
    };
    let spec = bytes::Bytes::from(spec.encode_to_vec());
    let reports = Arc::new(AtomicU64::new(0));
    let service = Service {
        attempts,
        concurrency,
        spec,
        reports: reports.clone(),
    };

    let master = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let listener = master
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let server = tonic::transport::Server::builder().add_service(WorkersServer::new(service));
    master.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let worker = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    worker.block_on(async {
        let done = Arc::new(AtomicU64::new(0));
        let ready = Arc::new(tokio::sync::Notify::new());
        let (counted, told) = (done.clone(), ready.clone());
        let handlers = Handlers::new().group("noop", move |_: Attempt| {
            if counted.fetch_add(1, Ordering::Relaxed) + 1 == attempts {
                told.notify_one();
            }
            async { Ok::<_, HandlerError>(()) }
        });
        let executor = Arc::new(InlineExecutor::new(handlers, Handle::current()));
        let mut options = SessionOptions::new("bench", "bench", ["noop"]);
        options.concurrency = concurrency as u32;
        let connect = GrpcConnect::new([format!("http://{address}")], None).expect("an address");
        let (session, handle) = Session::new(options, executor, connect);
        let (began, cpu_began) = (Instant::now(), cpu());
        let session = tokio::spawn(session.run());
        ready.notified().await;
        handle.drain(None);
        session.await.expect("no panic").expect("a clean end");
        let (wall, cpu) = (began.elapsed(), cpu() - cpu_began);
        println!(
            "{attempts} attempts, {concurrency} at once: {:.0}/s by the clock, {:.2} us of CPU \
             each ({:.0}/s on a whole core), {:.0} reports a frame",
            attempts as f64 / wall.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / attempts as f64,
            attempts as f64 / cpu.as_secs_f64(),
            attempts as f64 / reports.load(Ordering::Relaxed) as f64,
        );
    });
}

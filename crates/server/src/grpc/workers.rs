//! Workers' sessions: one stream per worker, batched both ways.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use capataz_api::proto::{self, master_frame, worker_frame};
use capataz_engine::{Outcome, Report, Span, Submission, TaskId, Usage, WorkerId};
use futures_util::{Stream, StreamExt};
use prost::Message;
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status, Streaming};

use super::{stopped, wire_problem};
use crate::access::{Caller, OwnAttempts, check_worker};
use crate::convert;
use crate::namespace::Namespace;
use crate::owner::{Input, LeasedTask, Session, SessionMessage, Token};
use crate::store::LogPiece;

/// How long a worker may take to say hello after it connected.
const HELLO_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of specs in one frame of work.
const FRAME_BYTES: usize = 1 << 20;
/// When a task whose spec could not be read is tried again.
const READ_AGAIN: Span = Span::secs(5);

static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// Serves `capataz.v1.Workers`.
pub(crate) struct WorkersService {
    pub(crate) namespace: Namespace,
    pub(crate) lease_ttl: Duration,
    pub(crate) stop: watch::Receiver<bool>,
}

type Frames = Pin<Box<dyn Stream<Item = Result<proto::MasterFrame, Status>> + Send>>;

#[tonic::async_trait]
impl proto::workers_server::Workers for WorkersService {
    type SessionStream = Frames;

    async fn session(
        &self,
        request: Request<Streaming<proto::WorkerFrame>>,
    ) -> Result<Response<Frames>, Status> {
        let caller = Caller::of(request.extensions())?;
        let mut inbound = request.into_inner();
        let hello = match tokio::time::timeout(HELLO_PATIENCE, inbound.next()).await {
            Ok(Some(Ok(proto::WorkerFrame {
                frame: Some(worker_frame::Frame::Hello(hello)),
            }))) => hello,
            _ => return Err(Status::invalid_argument("the first frame must be hello")),
        };
        let hello =
            convert::hello(hello).map_err(|error| Status::invalid_argument(error.to_string()))?;
        check_worker(&self.namespace, &caller, &hello.name, &hello.groups).await?;
        let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
        let (sender, messages) = mpsc::unbounded_channel();
        let send = Box::new(move |message| {
            // The connection may be gone; the owner hears of it by `Gone`.
            let _ = sender.send(message);
        });
        let session = Session { number, send };
        self.namespace.send(Input::Join(hello, session));
        let (worker_sender, worker) = tokio::sync::oneshot::channel();
        let reader = Reader {
            namespace: self.namespace.clone(),
            number,
            own: OwnAttempts::default(),
        };
        tokio::spawn(reader.run(inbound, worker));
        let writer = Writer {
            namespace: self.namespace.clone(),
            lease_ttl: self.lease_ttl,
            worker: Some(worker_sender),
        };
        let frames = writer.frames(messages);
        Ok(Response::new(Box::pin(
            frames.take_until(stopped(self.stop.clone())),
        )))
    }
}

/// Takes a worker's frames to the owner.
struct Reader {
    namespace: Namespace,
    number: u64,
    own: OwnAttempts,
}

impl Reader {
    async fn run(
        mut self,
        mut inbound: Streaming<proto::WorkerFrame>,
        worker: tokio::sync::oneshot::Receiver<WorkerId>,
    ) {
        // Nothing a worker says before it was welcomed has a meaning.
        let Ok(worker) = worker.await else { return };
        let mut goodbye = false;
        while let Some(Ok(frame)) = inbound.next().await {
            let Some(frame) = frame.frame else { continue };
            goodbye = matches!(frame, worker_frame::Frame::Goodbye(_));
            if goodbye {
                break;
            }
            self.take(worker, frame).await;
        }
        self.namespace.send(Input::Gone {
            worker,
            session: self.number,
            goodbye,
        });
    }

    async fn take(&mut self, worker: WorkerId, frame: worker_frame::Frame) {
        match frame {
            worker_frame::Frame::Heartbeat(heartbeat) => self.namespace.send(Input::Heartbeat {
                worker,
                session: self.number,
                sequence: heartbeat.sequence,
            }),
            worker_frame::Frame::Reports(reports) => {
                let (started, ended) = convert::reports(reports);
                self.namespace.send(Input::Reports {
                    worker,
                    started,
                    ended,
                });
            }
            worker_frame::Frame::Drain(_) => {
                let drain = capataz_engine::Command::Drain { worker, on: true };
                self.namespace.send(Input::Command(drain, Box::new(|_| {})));
            }
            worker_frame::Frame::Announce(announce) => {
                let keys = announce
                    .affinity
                    .iter()
                    .map(|key| Submission::affinity_hash(key));
                let keys = keys.take(capataz_engine::limits::AFFINITY_KEYS).collect();
                let announced = capataz_engine::Command::Announce { worker, keys };
                self.namespace
                    .send(Input::Command(announced, Box::new(|_| {})));
            }
            worker_frame::Frame::Logs(logs) => self.keep_logs(worker, logs).await,
            worker_frame::Frame::Hello(_) | worker_frame::Frame::Goodbye(_) => {}
        }
    }

    /// Keeps what the worker's own attempts print. Of any other it would be forged, and of one that
    /// was never given nothing would ever remove it.
    async fn keep_logs(&mut self, worker: WorkerId, logs: proto::LogChunks) {
        let mut chunks: Vec<LogPiece<Bytes>> = Vec::with_capacity(logs.chunks.len());
        for chunk in logs.chunks {
            if let Some((key, attempt)) = chunk.token.as_ref().map(convert::token) {
                let stream = chunk.stream();
                chunks.push((key, attempt, stream, chunk.offset, chunk.data));
            }
        }
        let spoken_of = chunks.iter().map(|(key, attempt, ..)| (*key, *attempt));
        if let Err(error) = self.own.learn(&self.namespace, worker, spoken_of).await {
            return tracing::warn!(%error, "logs could not be kept");
        }
        let all = chunks.len();
        chunks.retain(|(key, attempt, ..)| self.own.has((*key, *attempt)));
        if chunks.len() < all {
            let foreign = all - chunks.len();
            tracing::warn!(
                foreign,
                "logs of attempts that are not the worker's are dropped"
            );
        }
        let store = self.namespace.logs().clone();
        let kept = tokio::task::spawn_blocking(move || store.append(&chunks));
        match kept.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "logs could not be kept"),
            Err(error) => tracing::error!(%error, "keeping logs panicked"),
        }
    }
}

/// Takes what the owner says to the worker.
struct Writer {
    namespace: Namespace,
    lease_ttl: Duration,
    worker: Option<tokio::sync::oneshot::Sender<WorkerId>>,
}

impl Writer {
    fn frames(mut self, mut messages: mpsc::UnboundedReceiver<SessionMessage>) -> Frames {
        Box::pin(async_stream::stream! {
            while let Some(message) = messages.recv().await {
                let last = matches!(message, SessionMessage::Refused(_));
                for frame in self.frame(message).await {
                    yield Ok(proto::MasterFrame { frame: Some(frame) });
                }
                if last {
                    break;
                }
            }
        })
    }

    async fn frame(&mut self, message: SessionMessage) -> Vec<master_frame::Frame> {
        let frame = match message {
            SessionMessage::Welcome { worker, stop } => self.welcome(worker, stop),
            SessionMessage::Refused(error) => master_frame::Frame::Refused(wire_problem(&error)),
            SessionMessage::Heartbeat(sequence) => {
                master_frame::Frame::Heartbeat(proto::HeartbeatAck { sequence })
            }
            SessionMessage::Work(tasks) => return self.work(tasks).await,
            SessionMessage::Acknowledged(tokens) => {
                master_frame::Frame::Acknowledged(proto::Acknowledged {
                    tokens: wire(tokens),
                })
            }
            SessionMessage::Stop(tokens) => master_frame::Frame::Stop(proto::Stop {
                tokens: wire(tokens),
            }),
            SessionMessage::Drain => master_frame::Frame::Drain(proto::Drain {}),
        };
        vec![frame]
    }

    fn welcome(&mut self, worker: WorkerId, stop: Vec<Token>) -> master_frame::Frame {
        if let Some(sender) = self.worker.take() {
            // Fails only when the connection is gone already.
            let _ = sender.send(worker);
        }
        master_frame::Frame::Welcome(proto::Welcome {
            session: u64::from(worker.0),
            lease_ttl_us: self.lease_ttl.as_micros() as u64,
            namespace: self.namespace.name().to_owned(),
            stop: wire(stop),
        })
    }

    async fn work(&self, tasks: Vec<LeasedTask>) -> Vec<master_frame::Frame> {
        let mut frames = Vec::with_capacity(1);
        let mut assignments = Vec::with_capacity(tasks.len());
        let mut bytes = 0;
        for (token, spec) in with_bodies(&self.namespace, tasks).await {
            bytes += spec.len() + 32;
            assignments.push(proto::Assignment {
                token: Some(convert::wire_token(token)),
                spec,
            });
            if bytes >= FRAME_BYTES {
                bytes = 0;
                let assignments = std::mem::take(&mut assignments);
                frames.push(master_frame::Frame::Work(proto::Work { assignments }));
            }
        }
        if !assignments.is_empty() {
            frames.push(master_frame::Frame::Work(proto::Work { assignments }));
        }
        frames
    }
}

fn wire(tokens: Vec<Token>) -> Vec<proto::Token> {
    tokens.into_iter().map(convert::wire_token).collect()
}

/// The specs of leased tasks, those that are not at hand read from the store. An attempt whose spec
/// cannot be had ends here: its worker would never hear of it.
pub(crate) async fn with_bodies(
    namespace: &Namespace,
    tasks: Vec<LeasedTask>,
) -> Vec<(Token, Bytes)> {
    let missing: Vec<TaskId> = tasks
        .iter()
        .filter(|t| t.body.is_none())
        .map(|t| t.token.0.task())
        .collect();
    let mut read = HashMap::new();
    let mut failure = Failure::Missing;
    if !missing.is_empty() {
        let store = namespace.store().clone();
        match tokio::task::spawn_blocking(move || store.bodies(&missing)).await {
            Ok(Ok(bodies)) => read.extend(bodies),
            Ok(Err(error)) => failure = Failure::Unreadable(error.to_string()),
            Err(error) => failure = Failure::Unreadable(error.to_string()),
        }
    }
    let mut ready = Vec::with_capacity(tasks.len());
    for LeasedTask { token, body } in tasks {
        match body.or_else(|| read.get(&token.0.task()).cloned()) {
            Some(body) => ready.push((token, body)),
            None => end_without_spec(namespace, token, &failure),
        }
    }
    ready
}

/// Why a spec could not be had.
enum Failure {
    Missing,
    Unreadable(String),
}

fn end_without_spec(namespace: &Namespace, (key, attempt): Token, failure: &Failure) {
    let (outcome, message) = match failure {
        Failure::Missing => (
            convert::failed("fatal", true),
            "the task's spec is not in the store".to_owned(),
        ),
        // What could not be read may be readable a little later.
        Failure::Unreadable(cause) => (
            Outcome::Again { after: READ_AGAIN },
            format!("the task's spec could not be read: {cause}"),
        ),
    };
    tracing::error!(task = %key, message);
    let result = proto::AttemptResult {
        message,
        ..Default::default()
    };
    let output = result.encode_to_vec().into();
    let usage = Usage::default();
    let report = Report {
        key,
        attempt,
        outcome,
        output,
        value: Bytes::new(),
        usage,
    };
    let command = capataz_engine::Command::Report(report);
    namespace.send(Input::Command(command, Box::new(|_| {})));
}

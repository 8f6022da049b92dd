//! A master that says what a test tells it to, over real gRPC on a free port.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use capataz_api::proto::workers_server::{Workers, WorkersServer};
use capataz_api::proto::{self, worker_frame::Frame};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Request, Response, Status, Streaming};

const PATIENCE: Duration = Duration::from_secs(30);

type Reply = Result<proto::MasterFrame, Status>;

/// One session as the master sees it.
pub(crate) struct Connection {
    pub(crate) hello: proto::Hello,
    say: Option<UnboundedSender<Reply>>,
    frames: UnboundedReceiver<Frame>,
}

impl Connection {
    pub(crate) fn say(&self, frame: proto::MasterFrame) {
        let say = self.say.as_ref().expect("not hung up");
        say.send(Ok(frame)).expect("the session is there");
    }

    /// The next frame that is no heartbeat; none when the worker has hung up.
    pub(crate) async fn hear(&mut self) -> Option<Frame> {
        loop {
            let frame = self.hear_any().await?;
            if !matches!(frame, Frame::Heartbeat(_)) {
                return Some(frame);
            }
        }
    }

    pub(crate) async fn hear_any(&mut self) -> Option<Frame> {
        let next = tokio::time::timeout(PATIENCE, self.frames.recv());
        next.await.expect("a frame within half a minute")
    }

    pub(crate) fn hang_up(&mut self) {
        self.say = None;
    }
}

/// The master.
pub(crate) struct Master {
    address: SocketAddr,
    connections: UnboundedReceiver<Connection>,
    server: JoinHandle<()>,
}

impl Drop for Master {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Master {
    pub(crate) async fn start(token: Option<&'static str>) -> Master {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, connections) = mpsc::unbounded_channel();
        let service = WorkersServer::new(Service {
            token,
            connections: sender,
        });
        let incoming = TcpListenerStream::new(listener);
        let server = tonic::transport::Server::builder().add_service(service);
        let server = tokio::spawn(async move {
            server
                .serve_with_incoming(incoming)
                .await
                .expect("it serves");
        });
        Master {
            address,
            connections,
            server,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn accept(&mut self) -> Connection {
        let next = tokio::time::timeout(PATIENCE, self.connections.recv());
        next.await
            .expect("a connection within half a minute")
            .expect("the server runs")
    }
}

struct Service {
    token: Option<&'static str>,
    connections: UnboundedSender<Connection>,
}

#[tonic::async_trait]
impl Workers for Service {
    type SessionStream = Pin<Box<dyn Stream<Item = Reply> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<proto::WorkerFrame>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let given = request
            .metadata()
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        let expected = self.token.map(|token| format!("Bearer {token}"));
        if expected.is_some() && given.map(str::to_owned) != expected {
            return Err(Status::unauthenticated("unknown token"));
        }
        let mut inbound = request.into_inner();
        let first = inbound
            .next()
            .await
            .and_then(Result::ok)
            .and_then(|frame| frame.frame);
        let Some(Frame::Hello(hello)) = first else {
            return Err(Status::invalid_argument("the first frame must be hello"));
        };
        let (say, said) = mpsc::unbounded_channel();
        let (heard, frames) = mpsc::unbounded_channel();
        let _ = self.connections.send(Connection {
            hello,
            say: Some(say),
            frames,
        });
        tokio::spawn(async move {
            while let Some(Ok(proto::WorkerFrame { frame: Some(frame) })) = inbound.next().await {
                if heard.send(frame).is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(said))))
    }
}

/// What handlers of a test have done, in order.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().expect("no panic").push(what.into());
    }

    pub(crate) fn read(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }

    /// Waits until there are so many entries.
    pub(crate) async fn wait_for(&self, entries: usize) {
        let wait = async {
            while self.read().len() < entries {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the entries within half a minute");
    }
}

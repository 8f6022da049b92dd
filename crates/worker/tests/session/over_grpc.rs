//! Whole sessions: gRPC, real time, handlers in this process.

use std::sync::Arc;
use std::time::Duration;

use capataz_api::problem::Code;
use capataz_api::proto::{self, Outcome as Wire, worker_frame::Frame};
use capataz_worker::inline::{Attempt, HandlerError, Handlers, InlineExecutor};
use capataz_worker::session::{
    GrpcConnect, Session, SessionError, SessionHandle, SessionOptions, Status,
};
use prost::Message;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::frames::{TTL, acknowledged, answer, drain, ends, refused, stop, token, welcome, work};
use super::master::{Connection, Diary, Master};

struct Worker {
    handle: SessionHandle,
    end: JoinHandle<Result<(), SessionError>>,
    diary: Diary,
}

impl Worker {
    /// A worker whose handler echoes its payload; `hang` runs until it is stopped.
    fn start(master: &Master, token: Option<&str>) -> Worker {
        let diary = Diary::default();
        let noted = diary.clone();
        let handlers = Handlers::new().group("g", move |attempt: Attempt| {
            let diary = noted.clone();
            async move {
                diary.note(format!("begin {}", attempt.task));
                if &attempt.payload[..] == b"hang" {
                    let _gone = NoteOnDrop(diary, format!("gone {}", attempt.task));
                    std::future::pending::<()>().await;
                }
                Ok::<_, HandlerError>(attempt.payload.clone())
            }
        });
        let mut options = SessionOptions::new("w", "p", ["g"]);
        options.concurrency = 8;
        options.cancel_grace = Duration::from_millis(10);
        let executor = Arc::new(InlineExecutor::new(handlers, Handle::current()));
        let connect = GrpcConnect::new([master.url()], token).expect("a good address");
        let (session, handle) = Session::new(options, executor, connect);
        Worker {
            handle,
            end: tokio::spawn(session.run()),
            diary,
        }
    }

    async fn end(self) -> Result<(), SessionError> {
        let end = tokio::time::timeout(Duration::from_secs(30), self.end);
        end.await
            .expect("an end within half a minute")
            .expect("no panic")
    }
}

struct NoteOnDrop(Diary, String);

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.0.note(self.1.clone());
    }
}

async fn joined(master: &mut Master, stop: Vec<proto::Token>) -> Connection {
    let connection = master.accept().await;
    connection.say(welcome(TTL, stop));
    connection
}

async fn next_ends(connection: &mut Connection) -> Vec<(u64, Wire)> {
    loop {
        let found = ends(&connection.hear().await.expect("a frame"));
        if !found.is_empty() {
            return found;
        }
    }
}

#[tokio::test]
async fn a_task_goes_there_and_its_output_comes_back() {
    let mut master = Master::start(Some("secret")).await;
    let worker = Worker::start(&master, Some("secret"));
    let mut connection = joined(&mut master, vec![]).await;
    assert!(worker.handle.joined().await);
    assert_eq!(
        (
            connection.hello.name.as_str(),
            connection.hello.incarnation.len()
        ),
        ("w", 16)
    );
    connection.say(work([(1, "hello")]));
    let Some(Frame::Reports(reports)) = connection.hear().await else {
        panic!("no reports")
    };
    let ended = &reports.ended[0];
    assert_eq!(
        (ended.token, ended.outcome()),
        (Some(token(1)), Wire::Succeeded)
    );
    let result = proto::AttemptResult::decode(ended.result.clone()).expect("a result");
    assert_eq!(result.output.as_deref(), Some(&b"hello"[..]));
    connection.say(acknowledged([1]));
    worker.handle.drain(None);
    assert_eq!(
        connection.hear().await,
        Some(Frame::Drain(proto::Drain {})),
        "the master is to send nothing new"
    );
    assert_eq!(
        connection.hear().await,
        Some(Frame::Goodbye(proto::Goodbye {}))
    );
    connection.hang_up();
    worker.end().await.expect("a clean end");
}

#[tokio::test]
async fn a_redelivered_attempt_runs_once() {
    let mut master = Master::start(None).await;
    let worker = Worker::start(&master, None);
    let mut connection = joined(&mut master, vec![]).await;
    connection.say(work([(1, "x")]));
    connection.say(work([(1, "x")]));
    assert_eq!(next_ends(&mut connection).await, [(1, Wire::Succeeded)]);
    connection.say(work([(1, "x"), (2, "y")]));
    assert_eq!(next_ends(&mut connection).await, [(2, Wire::Succeeded)]);
    assert_eq!(worker.diary.read(), ["begin 1", "begin 2"]);
    worker.end.abort();
}

#[tokio::test]
async fn a_reconnect_carries_running_attempts_and_kills_those_that_lost_their_lease() {
    let mut master = Master::start(None).await;
    let worker = Worker::start(&master, None);
    let mut first = joined(&mut master, vec![]).await;
    first.say(work([(1, "hang"), (2, "hang"), (3, "done")]));
    worker.diary.wait_for(3).await;
    assert_eq!(next_ends(&mut first).await, [(3, Wire::Succeeded)]);
    first.hang_up();
    drop(first);
    let mut second = joined(&mut master, vec![token(1)]).await;
    assert_eq!(second.hello.running, [token(1), token(2), token(3)]);
    let mut told = next_ends(&mut second).await;
    while told.len() < 2 {
        told.extend(next_ends(&mut second).await);
    }
    told.sort_by_key(|(task, _)| *task);
    assert_eq!(told, [(1, Wire::Released), (3, Wire::Succeeded)]);
    assert!(worker.diary.read().contains(&"gone 1".to_owned()));
    assert!(!worker.diary.read().contains(&"gone 2".to_owned()));
    second.say(stop(2));
    assert_eq!(next_ends(&mut second).await, [(2, Wire::Released)]);
    worker.end.abort();
}

#[tokio::test]
async fn a_lease_without_answers_ends_what_runs() {
    let mut master = Master::start(None).await;
    let worker = Worker::start(&master, None);
    let mut connection = master.accept().await;
    connection.say(welcome(Duration::from_millis(600), vec![]));
    connection.say(work([(1, "hang")]));
    // One answered heartbeat keeps it alive beyond its first deadline.
    let first = loop {
        if let Some(Frame::Heartbeat(heartbeat)) = connection.hear_any().await {
            break heartbeat.sequence;
        }
    };
    connection.say(answer(first));
    worker.diary.wait_for(2).await;
    assert_eq!(worker.diary.read(), ["begin 1", "gone 1"]);
    // The session itself goes on: it has given up the dead connection and comes back.
    let mut second = joined(&mut master, vec![]).await;
    assert_eq!(second.hello.running, [token(1)]);
    assert_eq!(next_ends(&mut second).await, [(1, Wire::Released)]);
    worker.end.abort();
}

#[tokio::test]
async fn a_drained_worker_says_goodbye() {
    let mut master = Master::start(None).await;
    let worker = Worker::start(&master, None);
    let mut connection = joined(&mut master, vec![]).await;
    connection.say(drain());
    assert_eq!(
        connection.hear().await,
        Some(Frame::Goodbye(proto::Goodbye {}))
    );
    connection.hang_up();
    let handle = worker.handle.clone();
    worker.end().await.expect("a clean end");
    assert_eq!(handle.status(), Status::Over);
}

#[tokio::test]
async fn a_second_signal_ends_what_runs_at_once() {
    let mut master = Master::start(None).await;
    let worker = Worker::start(&master, None);
    let mut connection = joined(&mut master, vec![]).await;
    connection.say(work([(1, "hang")]));
    worker.diary.wait_for(1).await;
    worker.handle.drain(None);
    worker.handle.stop_now();
    assert_eq!(next_ends(&mut connection).await, [(1, Wire::Released)]);
    connection.say(acknowledged([1]));
    assert_eq!(
        connection.hear().await,
        Some(Frame::Goodbye(proto::Goodbye {}))
    );
    connection.hang_up();
    worker.end().await.expect("a clean end");
}

#[tokio::test]
async fn a_worker_with_a_bad_token_or_a_later_twin_ends_with_an_error() {
    let mut master = Master::start(Some("secret")).await;
    let end = Worker::start(&master, Some("wrong")).end().await;
    assert!(
        matches!(end, Err(SessionError::Unauthorized { .. })),
        "{end:?}"
    );
    let worker = Worker::start(&master, Some("secret"));
    master.accept().await.say(refused(Code::WorkerReplaced));
    let end = worker.end().await;
    assert!(matches!(end, Err(SessionError::Replaced { .. })), "{end:?}");
}

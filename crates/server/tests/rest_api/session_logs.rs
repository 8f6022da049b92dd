//! What attempts print is kept when the worker that has them says it, and from nobody else.

use capataz_api::proto::{self, master_frame, worker_frame};
use serde_json::{Value, json};

use super::server::Server;
use super::tokens::{Frames, hello, session};

/// A worker's connection.
struct Worker(Frames);

impl Worker {
    async fn join(server: &Server, token: &str, name: &str) -> Worker {
        let hello = proto::Hello {
            pod: format!("pod-of-{name}"),
            ..hello(name, "g")
        };
        let mut worker = Worker(session(server, token, hello).await);
        let welcome = worker.hear().await;
        assert!(
            matches!(welcome, master_frame::Frame::Welcome(_)),
            "{welcome:?}"
        );
        worker
    }

    async fn hear(&mut self) -> master_frame::Frame {
        let frame = self.0.1.message().await.expect("a frame");
        frame.and_then(|frame| frame.frame).expect("an answer")
    }

    async fn work(&mut self) -> proto::Token {
        match self.hear().await {
            master_frame::Frame::Work(work) => work.assignments[0].token.expect("a token"),
            other => panic!("{other:?} is no work"),
        }
    }

    async fn say(&self, frame: worker_frame::Frame) {
        let frame = Some(frame);
        let said = self.0.0.send(proto::WorkerFrame { frame }).await;
        said.expect("it is read");
    }

    async fn print(&self, token: proto::Token, offset: u64, text: &'static str) {
        let chunk = proto::LogChunk {
            token: Some(token),
            stream: proto::LogStream::Stdout as i32,
            offset,
            data: text.into(),
        };
        let chunks = vec![chunk];
        self.say(worker_frame::Frame::Logs(proto::LogChunks { chunks }))
            .await;
    }

    /// Reports a success, and waits until it is answered: what was printed before has been heard.
    async fn end(&mut self, token: proto::Token) {
        let ended = proto::Ended {
            token: Some(token),
            outcome: proto::Outcome::Succeeded as i32,
            ..Default::default()
        };
        let reports = proto::Reports {
            started: Vec::new(),
            ended: vec![ended],
        };
        self.say(worker_frame::Frame::Reports(reports)).await;
        let answer = self.hear().await;
        assert!(
            matches!(answer, master_frame::Frame::Acknowledged(_)),
            "{answer:?}"
        );
    }
}

/// What each attempt that is asked for has printed.
async fn printed(server: &Server, task: u64, attempt: u32) -> String {
    let path = format!("/api/v1/tasks/{task}/logs?attempt={attempt}");
    let reply = server.get(&path).await;
    if reply.status == 404 {
        return String::new();
    }
    let logs = reply.ok();
    let chunks = logs["chunks"].as_array().expect("chunks").iter();
    chunks.filter_map(|chunk| chunk["data"].as_str()).collect()
}

#[tokio::test]
async fn a_worker_prints_for_its_own_attempts_and_for_no_others() {
    let server = Server::start().await;
    let wanted: Value = json!({"role": "worker", "groups": ["g"]});
    let (_, token) = server.make_token(wanted).await;
    let mut owner = Worker::join(&server, &token, "owner").await;
    server.submit(json!({"group": "g"})).await;
    let given = owner.work().await;
    let invented = proto::Token {
        attempt: given.attempt + 1,
        ..given
    };
    // Another worker of the same group, with the same token; and an admin's that is no worker's.
    for (name, with) in [("forger", token.clone()), ("admin", server.token())] {
        let mut forger = Worker::join(&server, &with, name).await;
        forger.print(given, 0, "forged").await;
        forger.print(invented, 0, "forged").await;
        forger.end(given).await;
    }
    owner.print(invented, 0, "invented").await;
    owner.print(given, 0, "said ").await;
    owner.end(given).await;
    // Its last words are on their way when its end is known.
    owner.print(given, 5, "and done").await;
    owner.end(given).await;
    assert_eq!(
        printed(&server, given.task, given.attempt).await,
        "said and done"
    );
    assert_eq!(printed(&server, given.task, invented.attempt).await, "");
    server.stop().await;
}

#[tokio::test]
async fn a_worker_that_lost_its_attempt_prints_no_more() {
    let server = Server::start().await;
    let (_, token) = server
        .make_token(json!({"role": "worker", "groups": ["g"]}))
        .await;
    let mut old = Worker::join(&server, &token, "w").await;
    let task = server.submit(json!({"group": "g"})).await;
    let given = old.work().await;
    old.end(given).await;
    drop(old);
    // It comes back and is told nothing of it, so it has not held it in this session.
    let mut new = Worker::join(&server, &token, "w").await;
    new.print(given, 0, "late").await;
    new.end(given).await;
    assert_eq!(server.task(&task).await["state"], "succeeded");
    assert_eq!(printed(&server, given.task, given.attempt).await, "");
    server.stop().await;
}

//! The stream of events: in order, without gaps, and resumable.

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::server::Server;

/// A stream of server-sent events.
struct Events {
    body: Incoming,
    buffer: BytesMut,
    /// The frame came that says that nothing more will.
    ended: bool,
}

impl Events {
    async fn open(server: &Server, path: &str, headers: &[(&str, &str)]) -> Events {
        let bearer = server.bearer();
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        let response = server.open("GET", path, &all, "").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events {
            body: response.into_body(),
            buffer: BytesMut::new(),
            ended: false,
        }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block = self.buffer.split_to(end + 2);
                let text = String::from_utf8_lossy(&block).into_owned();
                let field = |name: &str| {
                    let line = text.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim().to_owned())
                };
                if field("event:").as_deref() == Some("end") {
                    self.ended = true;
                    return None;
                }
                let Some(data) = field("data:") else { continue };
                let event: Value = serde_json::from_str(&data).expect("the data is JSON");
                if let Some(id) = field("id:") {
                    assert_eq!(event["cursor"], id);
                }
                return Some(event);
            }
            let frame = self.body.frame().await?.expect("a frame");
            self.buffer
                .extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next().await.expect("the stream goes on"));
        }
        events
    }

    /// All that comes until the stream says that it is at its end.
    async fn rest(mut self) -> Vec<Value> {
        let events = self.until_closed().await;
        assert!(self.ended, "a stream that ends says so");
        events
    }

    /// All that comes until nothing more does.
    async fn until_closed(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

async fn play(server: &Server) {
    let tasks = json!({"tasks": vec![json!({"group": "g", "tags": ["t"]}); 3]});
    server.post("/api/v1/tasks:batch", tasks).await.ok();
    server.submit(json!({"group": "h", "delay": 3600})).await;
    for lease in server.lease("a", 3).await {
        server.report(&lease, "start", json!({})).await.ok();
        server
            .report(&lease, "complete", json!({"output": "x"}))
            .await
            .ok();
    }
    server
        .post("/api/v1/tasks/4/cancel", json!({"note": "why"}))
        .await
        .ok();
    server.post("/api/v1/groups/g/pause", json!({})).await.ok();
}

fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect()
}

#[tokio::test]
async fn a_stream_is_resumed_after_any_event_without_loss_or_repetition() {
    let server = Server::start().await;
    play(&server).await;
    let all = Events::open(&server, "/api/v1/events?after=0&follow=false", &[])
        .await
        .rest()
        .await;
    let kinds = types(&all);
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == "task_submitted")
            .count(),
        4
    );
    for kind in [
        "leader_started",
        "worker_joined",
        "attempt_leased",
        "attempt_started",
        "attempt_ended",
        "task_closed",
        "group_set",
    ] {
        assert!(kinds.contains(&kind), "{kind} is missing in {kinds:?}");
    }
    let closed = all
        .iter()
        .find(|event| event["type"] == "task_closed")
        .expect("it is there");
    assert_eq!(
        (&closed["task"], &closed["note"]),
        (&json!("4"), &json!("why"))
    );
    let delayed = all
        .iter()
        .find(|event| event["task"] == "4")
        .expect("it is there");
    assert_eq!(
        (&delayed["state"], &delayed["group"]),
        (&json!("scheduled"), &json!("h"))
    );
    let leased = all
        .iter()
        .find(|event| event["type"] == "attempt_leased")
        .expect("it is there");
    assert_eq!(leased["worker"], "w");
    for (place, event) in all.iter().enumerate() {
        let cursor = event["cursor"].as_str().expect("a cursor");
        let headers = [("last-event-id", cursor)];
        let path = "/api/v1/events?follow=false&after=0";
        let rest = Events::open(&server, path, &headers).await.rest().await;
        assert_eq!(rest, all[place + 1..], "after {cursor}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_follower_sees_what_happens_from_now_on() {
    let server = Server::start().await;
    server.submit(json!({"group": "old"})).await;
    let mut events = Events::open(&server, "/api/v1/events", &[]).await;
    server.submit(json!({"group": "new"})).await;
    let seen = events.take(2).await;
    assert_eq!(types(&seen), ["group_set", "task_submitted"]);
    assert_eq!(seen[1]["group"], "new");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_can_be_narrowed() {
    let server = Server::start().await;
    play(&server).await;
    let count = async |scope: &str| {
        let path = format!("/api/v1/events?after=0&follow=false&{scope}");
        Events::open(&server, &path, &[]).await.rest().await
    };
    let tagged = count("tag=t").await;
    assert_eq!(tagged.len(), 12, "{:?}", types(&tagged));
    let one = count("task=2").await;
    let expected = [
        "task_submitted",
        "attempt_leased",
        "attempt_started",
        "attempt_ended",
    ];
    assert_eq!(types(&one), expected);
    let group = count("group=h").await;
    assert_eq!(
        types(&group),
        ["group_set", "task_submitted", "task_closed"]
    );
    server.stop().await;
}

#[tokio::test]
async fn logs_are_followed_until_the_attempt_has_ended() {
    let server = Server::start().await;
    let id = server.submit(json!({"group": "g"})).await;
    let path = format!("/api/v1/tasks/{id}/logs?follow=true");
    let events = Events::open(&server, &path, &[]).await;
    let token = server.lease("a", 1).await.remove(0);
    let report = json!({"stdout_tail": "out", "stderr_tail": {"base64": "/w=="}});
    server.report(&token, "complete", report).await.ok();
    let pieces = events.rest().await;
    assert_eq!(pieces.len(), 2);
    assert_eq!(
        (&pieces[0]["stream"], &pieces[0]["data"]),
        (&json!("stdout"), &json!("out"))
    );
    assert_eq!(pieces[1]["data"], json!({"base64": "/w=="}));
    server.stop().await;
}

#[tokio::test]
async fn streams_and_waits_end_when_the_server_stops() {
    let server = Server::start().await;
    server.submit(json!({"group": "g"})).await;
    let mut events = Events::open(&server, "/api/v1/events?after=0", &[]).await;
    let url = "/api/v1/wait";
    let bearer = server.bearer();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = json!({"group": "g", "timeout": 60}).to_string();
    let mut waiting = Box::pin(server.raw("POST", url, &headers, body));
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut waiting).await;
    assert!(early.is_err(), "it waits");
    let stopped = server.begin_stop();
    let reply = waiting.await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"));
    assert!(!events.until_closed().await.is_empty());
    assert!(!events.ended, "a client is to come back");
    stopped.await.expect("the server stops");
}

#[tokio::test]
async fn a_run_is_followed_with_its_steps_and_their_tasks() {
    let server = Server::start().await;
    let definition = json!({
        "name": "two",
        "steps": [
            {"id": "a", "group": "g", "argv": ["a"]},
            {"id": "n", "noop": true, "after": "a"},
        ],
    });
    server
        .put("/api/v1/workflows/two", definition.clone())
        .await
        .ok();
    server.submit(json!({"group": "h"})).await;
    let run = server.start_run(definition).await;
    server.work(|_| Some(json!(1))).await;
    let path = format!("/api/v1/events?after=0&follow=false&run={run}");
    let events = Events::open(&server, &path, &[]).await.rest().await;
    let words: Vec<String> = events
        .iter()
        .map(|event| {
            let text = |field: &str| event[field].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", text("type"), text("step"), text("state"))
        })
        .collect();
    assert_eq!(
        words,
        [
            "run_started - queued",
            "run_began - running",
            "task_submitted a queued",
            "attempt_leased a running",
            "attempt_ended a succeeded",
            "step_ended a succeeded",
            "step_ended n succeeded",
            "run_ended - succeeded",
        ]
    );
    assert_eq!(events[0]["workflow"], "two");
    assert!(events.iter().all(|event| event["run"] == json!(run)));
    // A stream that has not seen the task coming.
    let cursor = events[2]["cursor"].as_str().expect("a cursor");
    let path = format!("/api/v1/events?after={cursor}&follow=false&run={run}");
    let resumed = Events::open(&server, &path, &[]).await.rest().await;
    assert_eq!(resumed, events[3..]);
    let all = Events::open(&server, "/api/v1/events?after=0&follow=false", &[]).await;
    let all = all.rest().await;
    assert!(
        all.iter().any(|event| event["type"] == "workflow_set"),
        "{all:?}"
    );
    server.stop().await;
}

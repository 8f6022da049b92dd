//! What the client does when answers are good, bad, late or missing.

mod support;

use std::time::Duration;

use capataz_api::client::{Client, ClientConfig, ClientError};
use capataz_api::problem::Code;
use capataz_api::proto::TaskSpec;
use capataz_api::rest::{EventsQuery, GroupPatch, PodPatch, TasksQuery, WaitRequest};
use support::{Act, Script};

fn client(script: &Script) -> Client {
    let config = ClientConfig {
        server: script.url.clone(),
        token: Some("t0ken".to_owned()),
        first_contact: Duration::from_secs(20),
        ..ClientConfig::default()
    };
    Client::new(&config).unwrap()
}

#[tokio::test]
async fn a_list_is_asked_for_with_token_and_query() {
    let script = Script::play(vec![Act::Answer(
        200,
        r#"{"items":[],"cursor":null,"position":4}"#,
    )])
    .await;
    let query = TasksQuery {
        tag: Some("a b".to_owned()),
        ..TasksQuery::default()
    };
    let page = client(&script).list(&query).await.unwrap();
    assert_eq!(page.position, 4);
    let asked = &script.asked()[0];
    assert_eq!(asked.line, "GET /api/v1/tasks?tag=a%20b");
    assert_eq!(asked.header("authorization"), Some("Bearer t0ken"));
}

#[tokio::test]
async fn a_change_is_repeated_under_the_same_id_until_it_is_answered() {
    let busy = r#"{"type":"urn:capataz:problem:overloaded","title":"","status":503,"detail":"busy",
        "code":"overloaded"}"#;
    let script = Script::play(vec![
        Act::HangUp,
        Act::Answer(503, busy),
        Act::Answer(503, "a proxy's words"),
        Act::Answer(200, r#"{"position":1}"#),
    ])
    .await;
    client(&script).cancel("12.0", None).await.unwrap();
    let asked = script.asked();
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[0].line, "POST /api/v1/tasks/12.0/cancel");
    let ids: Vec<_> = asked.iter().map(|a| a.header("idempotency-key")).collect();
    assert!(ids[0].is_some_and(|id| id.len() == 32), "{ids:?}");
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn every_change_carries_a_request_id_of_its_own() {
    let done = || Act::Answer(200, r#"{"position":1}"#);
    let script = Script::play((0..11).map(|_| done()).collect()).await;
    let client = client(&script);
    client.cancel("1", None).await.unwrap();
    client.retry("1").await.unwrap();
    client.set_group("g", &GroupPatch::default()).await.unwrap();
    client.set_pod("p", &PodPatch::default()).await.unwrap();
    client.release_pod("p").await.unwrap();
    for on in [true, false] {
        client.pause_group("g", on).await.unwrap();
        client.pause_pod("p", on).await.unwrap();
        client.drain_worker("w", on).await.unwrap();
    }
    let asked = script.asked();
    assert_eq!(asked.len(), 11);
    let ids = asked.iter().filter_map(|a| a.header("idempotency-key"));
    let ids: std::collections::HashSet<_> = ids.collect();
    assert_eq!(ids.len(), asked.len(), "{asked:?}");
}

#[tokio::test]
async fn what_was_sent_once_is_not_said_to_be_unsent() {
    let script = Script::play(vec![Act::HangUp]).await;
    let config = ClientConfig {
        server: script.url.clone(),
        first_contact: Duration::from_secs(1),
        ..ClientConfig::default()
    };
    let client = Client::new(&config).unwrap();
    let error = client.cancel("1", None).await.unwrap_err();
    assert_eq!(script.asked().len(), 1);
    assert!(matches!(error, ClientError::NoAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_is_final_and_carries_its_problem() {
    let problem = r#"{"type":"urn:capataz:problem:not_found","title":"Not found","status":404,
        "detail":"no task 99","code":"not_found"}"#;
    let script = Script::play(vec![Act::Answer(404, problem)]).await;
    let error = client(&script).show("99").await.unwrap_err();
    assert_eq!(error.code(), Some(Code::NotFound));
    assert_eq!(error.to_string(), "no task 99");
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn a_foreign_server_is_recognised() {
    let script = Script::play(vec![Act::Answer(200, "<html>"), Act::Answer(500, "oops")]).await;
    let client = client(&script);
    for _ in 0..2 {
        let error = client.groups().await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_soon_with_a_hint() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let config = ClientConfig {
        server,
        ..ClientConfig::default()
    };
    let client = Client::new(&config).unwrap();
    let began = std::time::Instant::now();
    let task = TaskSpec {
        group: "g".to_owned(),
        ..TaskSpec::default()
    };
    let errors = [
        client.groups().await.unwrap_err(),
        client.submit(task).await.unwrap_err(),
    ];
    for error in errors {
        assert!(
            matches!(error, ClientError::Unreachable { .. }),
            "{error:?}"
        );
        assert!(error.hint().unwrap().contains("capataz serve"));
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn waiting_goes_on_for_the_same_tasks() {
    let script = Script::play(vec![
        Act::Answer(
            200,
            r#"{"done":false,"counts":{"queued":2},"remaining":2,"handle":"h","position":1}"#,
        ),
        Act::Answer(
            200,
            r#"{"done":true,"counts":{"succeeded":2},"remaining":0,"handle":"h","position":5}"#,
        ),
    ])
    .await;
    let request = WaitRequest {
        tag: Some("t".to_owned()),
        ..WaitRequest::default()
    };
    let mut steps = 0;
    let waited = client(&script)
        .wait(request, None, |_| steps += 1)
        .await
        .unwrap();
    assert_eq!((waited.position, waited.counts.succeeded, steps), (5, 2, 2));
    let asked = script.asked();
    assert!(!asked[0].body.contains("handle"), "{}", asked[0].body);
    assert!(
        asked[1].body.contains(r#""handle":"h""#),
        "{}",
        asked[1].body
    );
}

#[tokio::test]
async fn waiting_ends_with_its_time() {
    let script = Script::play(vec![Act::Answer(
        200,
        r#"{"done":false,"counts":{"queued":2},"remaining":2,"handle":"h","position":1}"#,
    )])
    .await;
    let request = WaitRequest {
        group: Some("g".to_owned()),
        ..WaitRequest::default()
    };
    let client = client(&script);
    let wait = client.wait(request, Some(Duration::ZERO), |_| {});
    let error = wait.await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error:?}");
    assert!(error.to_string().contains("2 of 2 remain"), "{error}");
}

#[tokio::test]
async fn events_go_on_after_the_last_one_that_came() {
    const EVENT: &str = r#"{"cursor":"8","at":"2027-01-01T00:00:00.000000Z","type":"gap"}"#;
    let first = "id: 7\n\n";
    let second: &str = concat!(
        "id: 8\ndata: {\"cursor\":\"8\",\"at\":\"2027-01-01T00:00:00.000000Z\",\"type\":\"gap\"}\n\n",
        "id: 9\ndata: {\"half\""
    );
    let script = Script::play(vec![
        Act::Stream(first),
        Act::Stream(second),
        Act::Stream("event: end\ndata\n\n"),
    ])
    .await;
    let mut events = client(&script).events(EventsQuery::default());
    let event = events.next().await.unwrap().unwrap();
    assert_eq!(event, serde_json::from_str(EVENT).unwrap());
    assert!(events.next().await.is_none());
    assert!(events.next().await.is_none());
    let lines: Vec<_> = script.asked().iter().map(|a| a.line.clone()).collect();
    assert_eq!(
        lines,
        [
            "GET /api/v1/events",
            "GET /api/v1/events?after=7",
            "GET /api/v1/events?after=8"
        ]
    );
}

#[tokio::test]
async fn logs_are_followed_from_where_they_broke_off() {
    let chunk = concat!(
        "data: {\"attempt\":2,\"stream\":\"stdout\",\"offset\":10,\"data\":\"abc\"}\n\n",
        ": still here\n\n"
    );
    let script = Script::play(vec![
        Act::Stream(chunk),
        Act::Stream("event: end\ndata\n\n"),
    ])
    .await;
    let mut logs = client(&script).follow_logs("5", None);
    assert_eq!(
        logs.next().await.unwrap().unwrap().data.as_text(),
        Some("abc")
    );
    assert!(logs.next().await.is_none());
    let last = script.asked().pop().unwrap().line;
    assert_eq!(
        last,
        "GET /api/v1/tasks/5/logs?attempt=2&follow=true&stdout_from=13"
    );
}

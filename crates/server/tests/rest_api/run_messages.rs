//! The message of a run: what it begins with, and what its steps make of it.

use serde_json::{Value, json};

use super::server::Server;

/// `a` replaces the message, and `b` is called with what is left of it.
fn altering() -> Value {
    json!({
        "name": "altering",
        "message": {"n": 1},
        "steps": [
            {"id": "a", "group": "g", "argv": ["a", "${message}"], "alters_message": true},
            {"id": "b", "group": "g", "argv": ["b", "${message}"], "after": "a"},
        ],
    })
}

async fn start(server: &Server, request: Value) -> String {
    let started = server.post("/api/v1/runs", request).await.ok();
    started["id"].as_str().expect("an id").to_owned()
}

/// What a step of a run was called with.
async fn called(server: &Server, run: &str, step: usize) -> Value {
    let run = server.run(run).await;
    let task = run["steps"][step]["task"].as_str().expect("a task");
    server.task(task).await["spec"]["argv"][1].clone()
}

#[tokio::test]
async fn the_message_that_is_given_replaces_that_of_the_workflow() {
    let server = Server::start().await;
    server
        .put("/api/v1/workflows/altering", altering())
        .await
        .ok();
    for (given, argument) in [
        (json!({"id": 7}), r#"{"id":7}"#),
        (json!("text"), "text"),
        (Value::Null, "null"),
    ] {
        let request = json!({"workflow": "altering", "message": given});
        let id = start(&server, request).await;
        assert_eq!(server.run(&id).await["message"], given);
        assert_eq!(called(&server, &id, 0).await, argument);
    }
    let id = start(&server, json!({"workflow": "altering"})).await;
    assert_eq!(server.run(&id).await["message"], json!({"n": 1}));
    let large = json!({"workflow": "altering", "message": "x".repeat(256 * 1024)});
    let refused = server.post("/api/v1/runs", large).await;
    assert_eq!(refused.code(), "invalid_workflow");
    assert_eq!(refused.json()["field"], "message");
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_has_ended_shows_the_message_that_its_steps_have_left() {
    let server = Server::start().await;
    let id = start(
        &server,
        json!({"definition": altering(), "message": {"n": 2}}),
    )
    .await;
    server
        .work(|step| (step == "a").then(|| json!({"n": 3})))
        .await;
    let run = server.run(&id).await;
    assert_eq!(
        (&run["state"], &run["message"]),
        (&json!("failed"), &json!({"n": 3}))
    );
    assert_eq!(called(&server, &id, 1).await, r#"{"n":3}"#);
    let began = run["submitted_at"].as_str().expect("a time");
    let then = server
        .get(&format!("/api/v1/runs/{id}?at={began}"))
        .await
        .ok();
    assert_eq!(
        then["message"],
        json!({"n": 2}),
        "the one that it began with"
    );

    let again = json!({"steps": ["a"]});
    server
        .post(&format!("/api/v1/runs/{id}/rerun"), again)
        .await
        .ok();
    assert_eq!(
        server.run(&id).await["message"],
        json!({"n": 3}),
        "it lives again"
    );
    server.work(|_| Some(json!({"n": 4}))).await;
    let run = server.run(&id).await;
    assert_eq!(
        (&run["state"], &run["message"]),
        (&json!("succeeded"), &json!({"n": 4}))
    );
    server.stop().await;
}

#[tokio::test]
async fn runs_that_repeat_one_begin_with_the_message_that_it_was_given() {
    let server = Server::start().await;
    let mut definition = altering();
    definition["repeat"] = json!({"until": "false", "max": 3});
    let id = start(
        &server,
        json!({"definition": definition, "message": {"n": 2}}),
    )
    .await;
    server.work(|_| Some(json!({"n": 9}))).await;
    let page = server.get("/api/v1/runs?workflow=altering").await.ok();
    let runs = page["items"].as_array().expect("runs");
    assert_eq!(runs.len(), 3);
    let last = runs[0]["id"].as_str().expect("an id");
    assert_ne!(last, id);
    assert_eq!(called(&server, last, 0).await, r#"{"n":2}"#);
    assert_eq!(server.run(last).await["message"], json!({"n": 9}));
    assert_eq!(
        runs[0]["note"],
        "not repeated: it is run 3 of at most 3, and `until` is false"
    );
    assert_eq!(runs[1]["note"], Value::Null);
    server.stop().await;
}

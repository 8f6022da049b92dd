//! Adding steps to a run from outside of it.

use serde_json::{Value, json};

use super::server::Server;

fn one() -> Value {
    json!({"name": "one", "steps": [{"id": "a", "group": "g", "argv": ["a"]}]})
}

#[tokio::test]
async fn an_operator_adds_steps_and_a_worker_only_as_a_step_that_runs() {
    let server = Server::start().await;
    let run = server.start_run(one()).await;
    let path = format!("/api/v1/runs/{run}/steps");
    let wanted = json!({"role": "operator", "name": "olga"});
    let (_, operator) = server.make_token(wanted).await;
    let (_, worker) = server
        .make_token(json!({"role": "worker", "groups": ["g"]}))
        .await;
    let step = |id: &str| json!({"id": id, "group": "g", "argv": ["x"], "after": ["a"]});
    let outside = json!({"steps": [step("b")]}).to_string();
    let refused = server
        .send_as(&worker, "POST", &path, outside.clone())
        .await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "forbidden")
    );
    server.send_as(&operator, "POST", &path, outside).await.ok();

    let lease = server.lease("a", 1).await.remove(0);
    let half = json!({"task": lease.0, "steps": [step("c")]});
    let refused = server.post(&path, half).await;
    assert_eq!(refused.json()["field"], "attempt");
    let inside = json!({"task": lease.0, "attempt": lease.1, "steps": [step("c")]});
    let added = server
        .send_as(&worker, "POST", &path, inside.to_string())
        .await;
    added.ok();
    server.report(&lease, "complete", json!({})).await.ok();
    server.work(|_| Some(json!(1))).await;
    let ended = server.run(&run).await;
    assert_eq!(
        (&ended["state"], &ended["counts"]["succeeded"]),
        (&json!("succeeded"), &json!(3))
    );
    let audit = server.audit(&format!("/api/v1/runs/{run}/audit")).await;
    let added = audit.iter().find(|line| line["action"] == "steps_added");
    assert_eq!(added.expect("a line")["actor"], "olga");
    let unknown = server
        .post("/api/v1/runs/r99/steps", json!({"steps": [step("b")]}))
        .await;
    assert_eq!(unknown.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn steps_are_a_list_or_a_text_and_flaws_are_in_what_was_sent() {
    let server = Server::start().await;
    let run = server.start_run(one()).await;
    let path = format!("/api/v1/runs/{run}/steps");
    let flaws = async |steps: Value| {
        let refused = server.post(&path, json!({"steps": steps})).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (422, "invalid_workflow")
        );
        let problem = refused.json();
        let path = &problem["flaws"][0]["path"];
        assert!(problem["field"] == *path || *path == json!(""), "{problem}");
        problem["flaws"].clone()
    };
    let found = flaws(json!("- id: b\n  noop: true\n  after: [a, q]\n")).await;
    assert_eq!(
        (&found[0]["line"], &found[0]["column"]),
        (&json!(3), &json!(14))
    );
    assert_eq!(found[0]["path"], "steps[0].after[1]");
    let found = flaws(json!([{"id": "b", "noop": true}, {"id": "c"}])).await;
    assert_eq!(
        (&found[0]["line"], &found[0]["path"]),
        (&json!(0), &json!("steps[1].group"))
    );
    let found = flaws(json!([{"id": "b", "noop": true}, {"id": "b", "noop": true}])).await;
    let reason = found[0]["reason"].as_str().expect("a reason");
    assert!(reason.ends_with("the id of `steps[0]`"), "{reason}");
    let found = flaws(json!([{"id": "a", "noop": true}])).await;
    assert_eq!(found[0]["hint"], "the run has had that step before");
    for steps in [
        json!([]),
        json!(7),
        json!({"steps": {}}),
        json!("{"),
        json!({"name": "x"}),
    ] {
        flaws(steps).await;
    }
    let many: Vec<Value> = (0..10_001)
        .map(|number| json!({"id": number.to_string(), "noop": true}))
        .collect();
    assert_eq!(flaws(json!(many)).await[0]["path"], "");

    let text = "steps: [{id: b, noop: true, after: a}]";
    server.post(&path, json!({"steps": text})).await.ok();
    server
        .post(&path, json!({"steps": [{"id": "c", "noop": true}]}))
        .await
        .ok();
    assert_eq!(
        server.run(&run).await["counts"]["succeeded"],
        1,
        "c is ready at once"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_has_not_begun_gets_steps_too() {
    let server = Server::start().await;
    let holds = json!({"definition": one(), "conflict_key": "k"});
    server.post("/api/v1/runs", holds.clone()).await.ok();
    let waits = server.post("/api/v1/runs", holds).await.ok();
    let id = waits["id"].as_str().expect("an id").to_owned();
    let add = async |step: &str| {
        let step = json!({"id": step, "group": "g", "argv": ["x"], "after": ["a"]});
        let path = format!("/api/v1/runs/{id}/steps");
        server.post(&path, json!({"steps": [step]})).await
    };
    add("b").await.ok();
    server.work(|_| Some(json!(1))).await;
    let ended = server.run(&id).await;
    assert_eq!(
        (&ended["state"], &ended["counts"]["succeeded"]),
        (&json!("succeeded"), &json!(2))
    );
    let late = add("c").await;
    assert_eq!((late.status, late.code().as_str()), (409, "not_live"));
    server.stop().await;
}

//! The audit trail as it is exported, and runs as they stood.

use serde_json::{Value, json};

use super::server::Server;

fn two() -> Value {
    json!({
        "name": "two",
        "steps": [
            {"id": "a", "group": "g", "argv": ["a"]},
            {"id": "b", "group": "g", "argv": ["b"], "after": "a"},
        ],
    })
}

fn words(line: &Value) -> String {
    let text = |field: &str| line[field].as_str().unwrap_or("-").to_owned();
    format!(
        "{} {} {} {}",
        text("action"),
        text("step"),
        text("from"),
        text("to")
    )
}

#[tokio::test]
async fn every_line_says_who_what_when_from_which_state_and_why() {
    let server = Server::start().await;
    let (_, token) = server
        .make_token(json!({"role": "operator", "name": "ann"}))
        .await;
    let body = json!({"definition": two()}).to_string();
    let started = server
        .send_as(&token, "POST", "/api/v1/runs", body)
        .await
        .ok();
    let id = started["id"].as_str().expect("an id").to_owned();
    server.work(|step| (step == "a").then(|| json!(1))).await;
    let path = format!("/api/v1/runs/{id}");
    server
        .post(&format!("{path}/wait"), json!({"timeout": 30}))
        .await
        .ok();
    let trail = server.audit(&format!("{path}/audit")).await;
    let all: Vec<String> = trail.iter().map(words).collect();
    assert_eq!(
        all,
        [
            "run_started - - queued",
            "run_began - queued running",
            "step_queued a blocked queued",
            "attempt_leased a queued running",
            "attempt_ended a running succeeded",
            "step_ended a running succeeded",
            "step_queued b blocked queued",
            "attempt_leased b queued running",
            "attempt_ended b running failed",
            "step_ended b running failed",
            "run_ended - running failed",
        ]
    );
    assert_eq!(
        (&trail[0]["actor"], &trail[1]["actor"]),
        (&json!("ann"), &json!("capataz"))
    );
    assert_eq!(trail[8]["reason"], "error");
    assert_eq!(
        (&trail[3]["subject"], &trail[3]["attempt"]),
        (&json!("w"), &json!(1))
    );
    for line in &trail {
        for field in [
            "time", "run", "step", "task", "attempt", "from", "to", "reason",
        ] {
            assert!(line.get(field).is_some(), "{field} in {line}");
        }
    }
    let after = format!("{path}/audit?after={}&limit=2", trail[1]["seq"]);
    let part = server.audit(&after).await;
    assert_eq!(part, trail[2..4]);

    // As it stood when `a` had been leased.
    let at = trail[3]["time"].as_str().expect("a time");
    let then = server.get(&format!("{path}?at={at}")).await.ok();
    assert_eq!(
        (&then["state"], &then["steps"][0]["state"]),
        (&json!("running"), &json!("running"))
    );
    assert_eq!(then["steps"][1]["state"], "blocked");
    let before = server.get(&format!("{path}?at=2000-01-01T00:00:00Z")).await;
    assert_eq!(before.status, 404);
    assert_eq!(server.get("/api/v1/runs/r99/audit").await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn what_callers_do_is_on_record() {
    let server = Server::start().await;
    let id = server.submit(json!({"group": "g"})).await;
    server.post("/api/v1/groups/g/pause", json!({})).await.ok();
    server.put("/api/v1/pods/p", json!({"slots": 4})).await.ok();
    server
        .post(
            &format!("/api/v1/tasks/{id}/cancel"),
            json!({"note": "why"}),
        )
        .await
        .ok();
    server
        .post(&format!("/api/v1/tasks/{id}/retry"), json!({}))
        .await
        .ok();
    server
        .make_token(json!({"role": "viewer", "name": "bob"}))
        .await;
    server.put("/api/v1/workflows/two", two()).await.ok();
    let trail = server.audit("/api/v1/audit").await;
    let all: Vec<Value> = trail
        .iter()
        .map(|line| json!([line["action"], line["subject"], line["task"], line["note"]]))
        .collect();
    let token = trail[4]["subject"].clone();
    assert_eq!(
        json!(all),
        json!([
            ["group_set", "g", null, "paused"],
            ["pod_set", "p", null, "slots 4"],
            ["task_closed", null, id, "why"],
            ["task_retried", null, id, null],
            ["token_created", token, null, "viewer, bob"],
            ["workflow_registered", "two", null, "version 1"],
        ])
    );
    assert!(
        trail.iter().all(|line| line["actor"] == "local"),
        "{trail:?}"
    );
    let since = trail[3]["time"].as_str().expect("a time");
    let later = server.audit(&format!("/api/v1/audit?since={since}")).await;
    assert_eq!(later.last(), trail.last());
    assert!(later.len() <= 3 + usize::from(trail[2]["time"] == trail[3]["time"]));
    server.stop().await;
}

#[tokio::test]
async fn a_failed_attempt_says_what_went_wrong_with_it_and_not_just_with_its_task() {
    let server = Server::start().await;
    let pause = json!({"initial": "1h", "max": "1h"});
    let steps = json!([
        {"id": "again", "group": "g", "argv": ["x"], "max_attempts": 2, "backoff": pause},
        {"id": "large", "group": "g", "argv": ["x"]},
        {"id": "failed", "group": "g", "argv": ["x"]},
        {"id": "reads", "group": "g", "after": ["large", "failed"],
            "argv": ["${outputs.large}", "${outputs.failed}"]},
    ]);
    let id = server
        .start_run(json!({"name": "wrong", "steps": steps}))
        .await;
    let leases = server.lease("one", 3).await;
    let said = json!({"message": "no such file", "reason": "error"});
    server.report(&leases[0], "fail", said).await.ok();
    let output = json!({"output": "x".repeat(70_000)});
    server.report(&leases[1], "complete", output).await.ok();
    let failed = json!({"message": "no such host", "fatal": true, "output": "x".repeat(70_000)});
    server.report(&leases[2], "fail", failed).await.ok();
    let path = format!("/api/v1/runs/{id}");
    server
        .post(&format!("{path}/cancel"), json!({"note": "over"}))
        .await
        .ok();
    server
        .post(&format!("{path}/wait"), json!({"timeout": 30}))
        .await
        .ok();
    let trail = server.audit(&format!("{path}/audit")).await;
    let of = |action: &str, step: &str| {
        let line = |line: &&Value| line["action"] == action && line["step"] == step;
        trail.iter().find(line).cloned().unwrap_or_default()
    };
    let again = of("attempt_ended", "again");
    assert_eq!(
        (&again["to"], &again["reason"], &again["note"]),
        (
            &json!("scheduled"),
            &json!("backoff"),
            &json!("error: no such file")
        )
    );
    let failed = of("attempt_ended", "failed");
    assert_eq!(
        failed["note"], "error: no such host",
        "what it says is kept"
    );
    let large = of("attempt_ended", "large");
    assert_eq!(large["reason"], "output_too_large");
    let note = large["note"].as_str().expect("a note");
    assert!(
        note.starts_with("output_too_large: the output is 70000 bytes"),
        "{note}"
    );
    server.stop().await;
}

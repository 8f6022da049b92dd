//! The life of an attempt whose worker has nothing but an HTTP client.

use std::time::Duration;

use serde_json::json;

use super::server::Server;

#[tokio::test]
async fn a_task_is_leased_kept_and_completed() {
    let server = Server::start().await;
    let id = server
        .submit(json!({"group": "g", "payload": {"a": [1, 2]}, "tags": ["t"], "env": {"K": "v"}}))
        .await;
    let body = json!({
        "worker": "w", "pod": "p", "groups": ["g"], "poll_id": "1", "host": "box", "wait": "5s",
    });
    let answer = server.post("/api/v1/leases", body).await.ok();
    assert_eq!(
        (&answer["poll_id"], &answer["lease_ttl"]),
        (&json!("1"), &json!(15))
    );
    let lease = &answer["leases"][0];
    assert_eq!((&lease["task"], &lease["attempt"]), (&json!(id), &json!(1)));
    assert_eq!(lease["spec"]["payload"], "{\"a\":[1,2]}");
    assert_eq!(lease["spec"]["env"], json!({"K": "v"}));
    let token = (id.clone(), 1);
    server.report(&token, "start", json!({"ago": 0})).await.ok();
    assert_eq!(
        server.report(&token, "heartbeat", json!({})).await.ok()["lease_ttl"],
        15
    );
    assert_eq!(server.task(&id).await["state"], "running");
    let usage = json!({"wall": 1.5, "cpu": "1s", "peak_memory": 4096});
    let output = json!({"output": "done", "usage": usage, "exit_code": 0, "stdout_tail": "hi\n"});
    server.report(&token, "complete", output).await.ok();
    let task = server.task(&id).await;
    assert_eq!(
        (&task["state"], &task["output"]),
        (&json!("succeeded"), &json!("done"))
    );
    assert_eq!(
        (&task["worker"], &task["host"]),
        (&json!("w"), &json!("box"))
    );
    let attempt = &task["attempts"][0];
    assert_eq!(
        (&attempt["outcome"], &attempt["exit_code"]),
        (&json!("succeeded"), &json!(0))
    );
    assert_eq!(
        attempt["usage"],
        json!({"wall": 1.5, "cpu": 1, "peak_memory": 4096})
    );
    let logs = server.get(&format!("/api/v1/tasks/{id}/logs")).await.ok();
    assert_eq!(
        (&logs["ended"], &logs["chunks"][0]["data"]),
        (&json!(true), &json!("hi\n"))
    );
    server.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again() {
    let server = Server::start().await;
    for n in 0..5 {
        server.submit(json!({"group": "g", "payload": n})).await;
    }
    let first = server.lease("a", 2).await;
    assert_eq!(first.len(), 2);
    assert_eq!(
        server.lease("a", 2).await,
        first,
        "the same poll id, the same leases"
    );
    let second = server.lease("b", 2).await;
    assert!(
        second.len() == 2 && second.iter().all(|token| !first.contains(token)),
        "{second:?}"
    );
    let token = &first[0];
    server
        .report(token, "complete", json!({"output": "1"}))
        .await
        .ok();
    server
        .report(token, "complete", json!({"output": "1"}))
        .await
        .ok();
    let changed = server.report(token, "fail", json!({})).await;
    assert_eq!(
        (changed.status, changed.code().as_str()),
        (409, "stale_lease")
    );
    let failed = &first[1];
    server
        .report(failed, "fail", json!({"message": "no"}))
        .await
        .ok();
    server
        .report(failed, "fail", json!({"message": "no"}))
        .await
        .ok();
    assert_eq!(
        server.report(failed, "complete", json!({})).await.code(),
        "stale_lease"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_poll_waits_for_work() {
    let server = Server::start().await;
    let body = json!({"worker": "w", "pod": "p", "groups": ["g"], "wait": 30, "poll_id": "x"});
    let (leases, _) = tokio::join!(server.post("/api/v1/leases", body), async {
        while server.get("/api/v1/workers/w").await.status == 404 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.submit(json!({"group": "g"})).await
    });
    assert_eq!(leases.ok()["leases"].as_array().map(Vec::len), Some(1));
    server.stop().await;
}

#[tokio::test]
async fn a_stale_token_changes_nothing() {
    let server = Server::start().await;
    let id = server.submit(json!({"group": "g"})).await;
    for token in [
        (id.clone(), 1),
        (id.clone(), 0),
        ("77".to_owned(), 1),
        ("77.3".to_owned(), 9),
    ] {
        for (verb, body) in [
            ("start", json!({})),
            ("heartbeat", json!({})),
            ("complete", json!({"output": "x"})),
            ("fail", json!({})),
            ("again", json!({"again_in": 1})),
        ] {
            let reply = server.report(&token, verb, body).await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (409, "stale_lease"),
                "{verb}"
            );
        }
    }
    let task = server.task(&id).await;
    assert_eq!(
        (&task["state"], &task["attempt"]),
        (&json!("queued"), &json!(0))
    );
    let path = format!("/api/v1/attempts/{id}/x/start");
    assert_eq!(server.post(&path, json!({})).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_cancelled_attempt_hears_of_it_and_its_success_is_not_taken() {
    let server = Server::start().await;
    let id = server.submit(json!({"group": "g"})).await;
    let token = server.lease("a", 1).await.remove(0);
    server
        .post(&format!("/api/v1/tasks/{id}/cancel"), json!({}))
        .await
        .ok();
    let beat = server.report(&token, "heartbeat", json!({})).await;
    assert_eq!((beat.status, beat.code().as_str()), (409, "stale_lease"));
    assert!(
        beat.json()["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("stop"))
    );
    assert_eq!(
        server.get("/api/v1/pods/p").await.ok()["used"],
        1,
        "its slot is still taken"
    );
    let complete = server
        .report(&token, "complete", json!({"output": "late"}))
        .await;
    assert_eq!(
        (complete.status, complete.code().as_str()),
        (409, "stale_lease")
    );
    assert_eq!(
        server.get("/api/v1/pods/p").await.ok()["used"],
        0,
        "its slot is free"
    );
    let task = server.task(&id).await;
    assert_eq!(
        (&task["state"], &task["output"]),
        (&json!("cancelled"), &json!(null))
    );
    server.stop().await;
}

#[tokio::test]
async fn failures_are_retried_and_again_is_no_failure() {
    let server = Server::start().await;
    let spec = json!({"group": "g", "max_attempts": 2, "backoff": {"initial": 0, "jitter": 0}});
    let id = server.submit(spec).await;
    let token = server.lease("a", 1).await.remove(0);
    server
        .report(&token, "again", json!({"again_in": 0}))
        .await
        .ok();
    let token = lease_again(&server, "b").await;
    let failure = json!({"message": "broken", "reason": "timeout", "exit_code": 7});
    server.report(&token, "fail", failure).await.ok();
    let token = lease_again(&server, "c").await;
    assert_eq!(token, (id.clone(), 3));
    server
        .report(&token, "fail", json!({"message": "still broken"}))
        .await
        .ok();
    let task = server.task(&id).await;
    assert_eq!(
        (&task["state"], &task["reason"]),
        (&json!("failed"), &json!("error"))
    );
    assert_eq!(task["message"], "still broken");
    let outcomes: Vec<&str> = task["attempts"]
        .as_array()
        .expect("attempts")
        .iter()
        .filter_map(|attempt| attempt["outcome"].as_str())
        .collect();
    assert_eq!(outcomes, ["again", "failed", "failed"]);
    assert_eq!(task["attempts"][1]["reason"], "timeout");
    server.stop().await;
}

async fn lease_again(server: &Server, poll_id: &str) -> (String, u64) {
    let body = json!({
        "worker": "w", "pod": "p", "slots": 100, "groups": ["g"], "wait": 30, "poll_id": poll_id,
    });
    let leases = server.post("/api/v1/leases", body).await.ok();
    let lease = &leases["leases"][0];
    let task = lease["task"].as_str().expect("a task").to_owned();
    (task, lease["attempt"].as_u64().expect("an attempt"))
}

#[tokio::test]
async fn an_output_over_its_limit_fails_the_attempt_and_says_so() {
    let server = Server::start().await;
    let id = server
        .submit(json!({"group": "g", "max_attempts": 5}))
        .await;
    let token = server.lease("a", 1).await.remove(0);
    let large = json!({"output": "x".repeat(262_145)});
    let reply = server.report(&token, "complete", large).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "too_large"));
    let task = server.task(&id).await;
    assert_eq!(
        (&task["state"], &task["reason"]),
        (&json!("failed"), &json!("output_too_large"))
    );
    server.stop().await;
}

#[tokio::test]
async fn a_silent_lease_is_lost_and_given_to_the_next() {
    let server = Server::start_with(|options| {
        let owner = &mut options.namespace.owner;
        owner.lease_ttl = Duration::from_millis(50);
        owner.term = Duration::from_millis(50);
        owner.margin = Duration::from_millis(10);
    })
    .await;
    let id = server.submit(json!({"group": "g"})).await;
    let token = server.lease("a", 1).await.remove(0);
    let next = lease_again(&server, "b").await;
    assert_eq!(next, (id.clone(), 2));
    assert_eq!(
        server.report(&token, "complete", json!({})).await.code(),
        "stale_lease"
    );
    server.stop().await;
}

#[tokio::test]
async fn elements_of_an_array_are_leased_and_those_that_failed_are_retried() {
    let server = Server::start().await;
    let id = server.submit(json!({"group": "g", "count": 4})).await;
    let leases = server.lease("a", 4).await;
    assert_eq!(leases[3], (format!("{id}.3"), 1));
    server
        .report(
            &leases[0],
            "complete",
            json!({"output": {"base64": "/w=="}}),
        )
        .await
        .ok();
    for lease in &leases[1..3] {
        server
            .report(lease, "fail", json!({"fatal": true}))
            .await
            .ok();
    }
    server.report(&leases[3], "complete", json!({})).await.ok();
    let array = server.task(&id).await;
    assert_eq!(
        (&array["state"], &array["counts"]["failed"]),
        (&json!("failed"), &json!(2))
    );
    let path = format!("/api/v1/tasks?array={id}&state=failed");
    let failed = server.get(&path).await.ok();
    assert_eq!(failed["items"].as_array().map(Vec::len), Some(2));
    server
        .post(&format!("/api/v1/tasks/{id}/retry"), json!({}))
        .await
        .ok();
    let again = server.lease("b", 4).await;
    assert_eq!(again, [(format!("{id}.1"), 2), (format!("{id}.2"), 2)]);
    let element = server.task(&format!("{id}.0")).await;
    assert_eq!(element["output"], json!({"base64": "/w=="}));
    server.stop().await;
}

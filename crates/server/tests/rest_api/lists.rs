//! Submitting and listing.

use serde_json::{Value, json};

use super::server::Server;

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items
        .iter()
        .filter_map(|item| Some(item["id"].as_str()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_list_is_paged_filtered_and_reads_what_was_written() {
    let server = Server::start().await;
    let tasks: Vec<Value> = (0..25)
        .map(|n| json!({"group": format!("g{}", n % 2), "tags": [format!("t{}", n % 5)]}))
        .collect();
    let batch = server
        .post("/api/v1/tasks:batch", json!({"tasks": tasks}))
        .await
        .ok();
    let mut all: Vec<String> = serde_json::from_value(batch["ids"].clone()).expect("ids");
    assert_eq!(all.len(), 25);
    all.reverse();
    let position = batch["position"].as_u64().expect("a position");
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/tasks?limit=10&position={position}{cursor}");
        let page = server.get(&path).await.ok();
        seen.extend(ids(&page));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all, "newest first, each once");
    let page = server
        .get("/api/v1/tasks?group=g1&tag=t3&state=queued,running")
        .await
        .ok();
    assert_eq!(ids(&page).len(), 3, "{page}");
    let page = server.get("/api/v1/tasks?group=none").await.ok();
    assert_eq!(
        (&page["items"], &page["cursor"]),
        (&json!([]), &json!(null))
    );
    server.stop().await;
}

#[tokio::test]
async fn an_item_has_every_field_that_checks_rely_on() {
    let server = Server::start().await;
    let id = server
        .submit(json!({"group": "g", "dedup_key": "k", "priority": 7}))
        .await;
    let page = server
        .get(&format!("/api/v1/tasks?position={}", 2))
        .await
        .ok();
    let item = page["items"][0].as_object().expect("an item");
    for field in [
        "id",
        "group",
        "state",
        "reason",
        "priority",
        "tags",
        "dedup_key",
        "attempt",
        "submitted_at",
        "queued_at",
        "allocated_at",
        "started_at",
        "finished_at",
        "worker",
        "pod",
        "host",
        "output",
    ] {
        assert!(item.contains_key(field), "{field} is missing in {item:?}");
    }
    assert_eq!((&item["id"], &item["dedup_key"]), (&json!(id), &json!("k")));
    let submitted = item["submitted_at"].as_str().expect("a time");
    assert_eq!(submitted.len(), "2027-01-31T08:00:00.000000Z".len());
    assert!(submitted.ends_with('Z'));
    server.stop().await;
}

#[tokio::test]
async fn a_request_id_and_a_dedup_key_make_submitting_repeatable() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "once"),
    ];
    let send = async |body: Value| {
        server
            .raw("POST", "/api/v1/tasks", &headers, body.to_string())
            .await
    };
    let first = send(json!({"group": "g"})).await.ok();
    assert_eq!(send(json!({"group": "g"})).await.ok()["id"], first["id"]);
    let other = send(json!({"group": "h"})).await;
    assert_eq!(
        (other.status, other.code().as_str()),
        (409, "request_conflict")
    );
    let keyed = json!({"group": "g", "dedup_key": "k", "payload": "1"});
    let id = server.submit(keyed.clone()).await;
    assert_eq!(server.submit(keyed).await, id);
    let different = json!({"group": "g", "dedup_key": "k", "payload": "2"});
    let reply = server.post("/api/v1/tasks", different).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (409, "dedup_conflict")
    );
    let page = server.get("/api/v1/tasks").await.ok();
    assert_eq!(ids(&page).len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn tasks_come_as_lines_too() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/x-ndjson"),
    ];
    let lines = "{\"group\":\"g\"}\n\n{\"group\":\"h\",\"priority\":9}\n";
    let reply = server
        .raw("POST", "/api/v1/tasks:batch", &headers, lines)
        .await;
    assert_eq!(reply.ok()["ids"], json!(["1", "2"]));
    let bad = "{\"group\":\"g\"}\n{\"group\":\"h\",\"priority\":0}\n";
    let reply = server
        .raw("POST", "/api/v1/tasks:batch", &headers, bad)
        .await;
    assert_eq!(reply.json()["field"], "tasks[1].priority");
    server.stop().await;
}

#[tokio::test]
async fn a_change_with_a_request_id_is_made_once() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let send = async |path: &str, id: &str, body: &str| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", id),
        ];
        server.raw("POST", path, &headers, body.to_owned()).await
    };
    let one = server.submit(json!({"group": "g"})).await;
    let array = server.submit(json!({"group": "g", "count": 3})).await;
    for id in [&one, &array] {
        let (cancel, retry) = (
            format!("/api/v1/tasks/{id}/cancel"),
            format!("/api/v1/tasks/{id}/retry"),
        );
        let (first, second) = (format!("c{id}"), format!("r{id}"));
        send(&cancel, &first, "{}").await.ok();
        send(&cancel, &first, "{}").await.ok();
        assert_eq!(send(&cancel, "other", "{}").await.code(), "not_live");
        let other = send(&cancel, &first, "{\"note\":\"x\"}").await;
        assert_eq!(other.code(), "request_conflict");
        send(&retry, &second, "").await.ok();
        send(&retry, &second, "").await.ok();
        assert_eq!(send(&retry, "another", "").await.code(), "still_live");
        assert_eq!(
            server.task(id).await["state"]
                .as_str()
                .map(|s| s == "failed"),
            Some(false)
        );
    }
    assert_eq!(server.task(&format!("{array}.2")).await["round"], 2);
    send("/api/v1/groups/g/pause", "p", "").await.ok();
    send("/api/v1/groups/g/resume", "q", "").await.ok();
    send("/api/v1/groups/g/pause", "p", "").await.ok();
    assert_eq!(
        server.get("/api/v1/groups/g").await.ok()["paused"],
        false,
        "it was done before"
    );
    server.stop().await;
}

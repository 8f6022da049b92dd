//! Every refusal is typed, names the field, and changes nothing.

use serde_json::{Value, json};

use super::server::Server;

/// A body that is refused: method, path, body, status, code, field.
type Row = (
    &'static str,
    &'static str,
    String,
    u16,
    &'static str,
    &'static str,
);

fn specs() -> Vec<Row> {
    let row =
        |spec: Value, code, field| ("POST", "/api/v1/tasks", spec.to_string(), 400, code, field);
    let text = |len: usize| "x".repeat(len);
    vec![
        row(json!({}), "invalid_field", "group"),
        row(json!({"group": ""}), "invalid_field", "group"),
        row(json!({"group": "a\u{7}b"}), "invalid_field", "group"),
        row(json!({"group": text(256)}), "too_large", "group"),
        row(
            json!({"group": "g", "priority": 0}),
            "out_of_range",
            "priority",
        ),
        row(
            json!({"group": "g", "priority": 10}),
            "out_of_range",
            "priority",
        ),
        row(
            json!({"group": "g", "priority": "high"}),
            "invalid_field",
            "priority",
        ),
        row(json!({"group": "g", "delay": -1}), "out_of_range", "delay"),
        row(
            json!({"group": "g", "delay": "-1s"}),
            "out_of_range",
            "delay",
        ),
        row(
            json!({"group": "g", "timeout": "soon"}),
            "invalid_field",
            "timeout",
        ),
        row(json!({"group": "g", "argv": []}), "invalid_field", "argv"),
        row(
            json!({"group": "g", "argv": ["a\u{0}"]}),
            "invalid_field",
            "argv[0]",
        ),
        row(
            json!({"group": "g", "payload": text(262_145)}),
            "too_large",
            "payload",
        ),
        row(
            json!({"group": "g", "tags": [text(256)]}),
            "too_large",
            "tags[0]",
        ),
        row(
            json!({"group": "g", "tags": vec!["t"; 33]}),
            "too_large",
            "tags",
        ),
        row(
            json!({"group": "g", "meta": text(16_385)}),
            "too_large",
            "meta",
        ),
        row(json!({"group": "g", "count": 0}), "out_of_range", "count"),
        row(
            json!({"group": "g", "max_attempts": 0}),
            "out_of_range",
            "max_attempts",
        ),
        row(
            json!({"group": "g", "prioritiy": 5}),
            "unknown_field",
            "prioritiy",
        ),
        row(
            json!({"group": "g", "env": {"CAPATAZ_X": "1"}}),
            "invalid_field",
            "env.CAPATAZ_X",
        ),
        row(
            json!({"group": "g", "delay": 1, "run_at": "2030-01-01T00:00:00Z"}),
            "invalid_field",
            "run_at",
        ),
    ]
}

fn batches() -> Vec<Row> {
    let row = |tasks: Value, code, field| {
        let body = json!({"tasks": tasks}).to_string();
        ("POST", "/api/v1/tasks:batch", body, 400, code, field)
    };
    let keyed = json!({"group": "g", "dedup_key": "k"});
    let good = json!({"group": "g"});
    vec![
        row(json!([]), "invalid_field", "tasks"),
        row(
            json!([good, {"group": "g", "priority": 12}]),
            "out_of_range",
            "tasks[1].priority",
        ),
        row(
            json!([keyed, good, keyed]),
            "duplicate_in_batch",
            "tasks[2].dedup_key",
        ),
        row(json!(vec![good.clone(); 10_001]), "too_large", "tasks"),
    ]
}

fn others() -> Vec<Row> {
    let lease = "/api/v1/leases";
    let row = |path: &'static str, body: Value, code, field| {
        ("POST", path, body.to_string(), 400, code, field)
    };
    let base = |more: Value| {
        let mut body = json!({"worker": "w", "pod": "p", "groups": ["g"]});
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("one").clone());
        body
    };
    vec![
        row(
            lease,
            json!({"pod": "p", "groups": ["g"]}),
            "invalid_field",
            "worker",
        ),
        row(
            lease,
            base(json!({"groups": []})),
            "invalid_field",
            "groups",
        ),
        row(lease, base(json!({"max": 0})), "out_of_range", "max"),
        row(lease, base(json!({"wait": 61})), "out_of_range", "wait"),
        row(lease, base(json!({"waitt": 1})), "unknown_field", "waitt"),
        row(
            "/api/v1/wait",
            json!({}),
            "invalid_field",
            "ids, group or tag",
        ),
        row(
            "/api/v1/wait",
            json!({"tag": "t", "handle": "x"}),
            "invalid_field",
            "handle",
        ),
        (
            "PUT",
            "/api/v1/pods/p",
            json!({"slots": 0}).to_string(),
            400,
            "out_of_range",
            "slots",
        ),
        (
            "PUT",
            "/api/v1/pods/p",
            json!({"solts": 1}).to_string(),
            400,
            "unknown_field",
            "solts",
        ),
    ]
}

#[tokio::test]
async fn every_bad_body_is_refused_by_field_and_changes_nothing() {
    let server = Server::start().await;
    for (method, path, body, status, code, field) in
        specs().into_iter().chain(batches()).chain(others())
    {
        let reply = server.send(method, path, body.clone()).await;
        let shown: String = body.chars().take(120).collect();
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{path} {shown}"
        );
        let problem = reply.json();
        let place = problem["field"].as_str().unwrap_or_default();
        assert!(place.starts_with(field), "{path} {shown}: blames {place:?}");
        assert_eq!(problem["status"], status);
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
    }
    let page = server.get("/api/v1/tasks").await.ok();
    assert_eq!(page["items"], json!([]));
    assert_eq!(server.get("/api/v1/groups").await.ok()["items"], json!([]));
    assert_eq!(server.get("/api/v1/pods").await.ok()["items"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let server = Server::start().await;
    let deep = format!(
        "{{\"group\":\"g\",\"payload\":{}1{}}}",
        "[".repeat(65),
        "]".repeat(65)
    );
    let bodies: [&[u8]; 7] = [
        b"",
        b"{",
        b"{\"group\":\"g\"} x",
        b"{\"group\":\"\xff\"}",
        b"{\"group\":\"g\",\"group\":\"h\"}",
        b"\x00",
        deep.as_bytes(),
    ];
    for body in bodies {
        let reply = server.send("POST", "/api/v1/tasks", body.to_vec()).await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "malformed_json"),
            "{shown}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded_plain_and_json() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let token = ("authorization", bearer.as_str());
    let json = ("content-type", "application/json");
    let large = vec![b' '; (4 << 20) + 1];
    let reply = server
        .raw("POST", "/api/v1/tasks", &[token, json], large)
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "request_too_large")
    );
    let body = json!({"group": "g"}).to_string();
    let text = ("content-type", "text/plain");
    let gzip = ("content-encoding", "gzip");
    for headers in [vec![token], vec![token, text], vec![token, json, gzip]] {
        let reply = server
            .raw("POST", "/api/v1/tasks", &headers, body.clone())
            .await;
        let got = (reply.status, reply.code());
        assert_eq!(
            got,
            (415, "unsupported_media_type".to_owned()),
            "{headers:?}"
        );
    }
    let charset = ("content-type", "Application/JSON; charset=utf-8");
    let reply = server
        .raw("POST", "/api/v1/tasks", &[token, charset], body)
        .await;
    assert_eq!(reply.status, 201);
    server.stop().await;
}

#[tokio::test]
async fn bad_queries_are_refused_by_parameter() {
    let server = Server::start().await;
    for (path, code, field) in [
        ("/api/v1/tasks?limit=0", "out_of_range", "limit"),
        ("/api/v1/tasks?limit=10001", "out_of_range", "limit"),
        ("/api/v1/tasks?stat=queued", "unknown_field", "stat"),
        ("/api/v1/tasks?state=lost", "invalid_field", "state"),
        ("/api/v1/tasks?cursor=zzz", "invalid_field", "cursor"),
        ("/api/v1/tasks?group=", "invalid_field", "group"),
        ("/api/v1/tasks?tag=%ff", "invalid_field", ""),
        ("/api/v1/tasks?position=999999", "out_of_range", "position"),
        ("/api/v1/events?after=x", "invalid_field", "after"),
        ("/api/v1/events?after=999999", "out_of_range", "after"),
        ("/api/v1/groups?x=1", "unknown_field", "x"),
        ("/api/v1/tasks/1/logs?attempt=x", "invalid_field", "attempt"),
    ] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{path}");
        let problem = reply.json();
        assert_eq!(
            problem["field"].as_str().unwrap_or_default(),
            field,
            "{path}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_unknown_is_not_found_and_what_has_ended_is_a_conflict() {
    let server = Server::start().await;
    for id in [
        "1",
        "1.0",
        "999999999999999999999",
        "x",
        "-1",
        "01",
        "%2e%2e",
    ] {
        for (method, path) in [
            ("GET", format!("/api/v1/tasks/{id}")),
            ("GET", format!("/api/v1/tasks/{id}/logs")),
            ("POST", format!("/api/v1/tasks/{id}/cancel")),
            ("POST", format!("/api/v1/tasks/{id}/retry")),
        ] {
            let reply = server.send(method, &path, "").await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (404, "not_found"),
                "{path}"
            );
        }
    }
    for path in ["groups/g", "workers/w", "pods/p"] {
        assert_eq!(
            server.get(&format!("/api/v1/{path}")).await.status,
            404,
            "{path}"
        );
    }
    let id = server.submit(json!({"group": "g"})).await;
    let retry = server
        .send("POST", &format!("/api/v1/tasks/{id}/retry"), "")
        .await;
    assert_eq!((retry.status, retry.code().as_str()), (409, "still_live"));
    let cancel = format!("/api/v1/tasks/{id}/cancel");
    server.post(&cancel, json!({"note": "enough"})).await.ok();
    let again = server.send("POST", &cancel, "").await;
    assert_eq!((again.status, again.code().as_str()), (409, "not_live"));
    let task = server.task(&id).await;
    assert_eq!(
        (&task["state"], &task["message"]),
        (&json!("cancelled"), &json!("enough"))
    );
    server
        .post(&format!("/api/v1/tasks/{id}/retry"), json!({}))
        .await
        .ok();
    let task = server.task(&id).await;
    assert_eq!(
        (&task["state"], &task["round"]),
        (&json!("queued"), &json!(2))
    );
    server.stop().await;
}

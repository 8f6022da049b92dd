//! Registering workflows.

use serde_json::{Value, json};

use super::server::Server;

fn etl() -> Value {
    json!({
        "name": "etl",
        "parameters": {"day": {"type": "string", "default": "monday"}},
        "steps": [
            {"id": "fetch", "group": "g", "argv": ["fetch", "${params.day}"]},
            {"id": "load", "group": "g", "argv": ["load"], "after": "fetch"},
        ],
    })
}

const YAML: &str = "name: etl
steps:
  - id: a
    group: g
    argv: [x]
    after: nowhere
";

#[tokio::test]
async fn a_workflow_is_registered_shown_listed_and_removed() {
    let server = Server::start().await;
    let put = server.put("/api/v1/workflows/etl", etl()).await.ok();
    assert_eq!((&put["version"], &put["name"]), (&json!(1), &json!("etl")));
    let again = server.put("/api/v1/workflows/etl", etl()).await.ok();
    assert_eq!(
        again["version"], 1,
        "the same definition is the same version"
    );
    let mut changed = etl();
    changed["description"] = json!("loads");
    changed["max_runs"] = json!(2);
    let second = server.put("/api/v1/workflows/etl", changed).await.ok();
    assert_eq!(second["version"], 2);

    let shown = server.get("/api/v1/workflows/etl").await.ok();
    assert_eq!((&shown["version"], &shown["steps"]), (&json!(2), &json!(2)));
    assert_eq!(
        (&shown["max_runs"], &shown["running"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(shown["definition"]["description"], "loads");
    let first = server.get("/api/v1/workflows/etl/versions/1").await.ok();
    assert_eq!(first["steps"][1]["id"], "load");
    assert!(first.get("description").is_none());
    let list = server.get("/api/v1/workflows").await.ok();
    assert_eq!(list["items"][0]["name"], "etl");
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));

    server
        .post("/api/v1/workflows/etl/clear", json!({}))
        .await
        .ok();
    server
        .send("DELETE", "/api/v1/workflows/etl", "")
        .await
        .ok();
    let gone = server.get("/api/v1/workflows/etl").await.ok();
    assert_eq!(gone["version"], Value::Null);
    let list = server.get("/api/v1/workflows").await.ok();
    assert_eq!(list["items"], json!([]));
    let refused = server
        .post("/api/v1/runs", json!({"workflow": "etl"}))
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (404, "not_found".to_owned())
    );
    let again = server.send("DELETE", "/api/v1/workflows/etl", "").await;
    assert_eq!(again.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_run_follows_what_is_registered_when_it_starts() {
    let server = Server::start().await;
    let put = async |step: &str| {
        let steps = json!([{"id": step, "group": "g", "argv": ["x"]}]);
        let definition = json!({"name": "etl", "steps": steps});
        let put = server.put("/api/v1/workflows/etl", definition).await.ok();
        put["version"].clone()
    };
    let start = async |request: Value| server.post("/api/v1/runs", request).await;
    let step_of = async |started: Value| {
        let id = started["id"].as_str().expect("an id");
        let run = server.run(id).await;
        let cancel = format!("/api/v1/runs/{id}/cancel");
        server.post(&cancel, json!({})).await.ok();
        let wait = format!("/api/v1/runs/{id}/wait");
        server.post(&wait, json!({"timeout": 30})).await.ok();
        (run["steps"][0]["id"].clone(), run["version"].clone())
    };
    let follows = async |request: Value| step_of(start(request).await.ok()).await;
    let (etl, first) = (
        json!({"workflow": "etl"}),
        json!({"workflow": "etl", "version": 1}),
    );

    assert_eq!(put("a").await, 1);
    assert_eq!(follows(etl.clone()).await, (json!("a"), json!(1)));
    assert_eq!(put("b").await, 2);
    assert_eq!(follows(etl.clone()).await, (json!("b"), json!(2)));
    let stale = start(first.clone()).await;
    assert_eq!(
        (stale.status, stale.code()),
        (409, "stale_version".to_owned())
    );

    // Removed and put again it begins with version 1, which is another one.
    let removed = server.send("DELETE", "/api/v1/workflows/etl", "").await;
    removed.ok();
    assert_eq!(start(etl.clone()).await.status, 404);
    assert_eq!(put("c").await, 1);
    assert_eq!(follows(first).await, (json!("c"), json!(1)));
    assert_eq!(follows(etl).await, (json!("c"), json!(1)));
    server.stop().await;
}

#[tokio::test]
async fn flaws_are_named_with_their_lines_and_nothing_is_kept() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let yaml = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/yaml"),
    ];
    let checked = server
        .raw("POST", "/api/v1/workflows:validate", &yaml, YAML)
        .await
        .ok();
    assert_eq!(checked["valid"], false);
    let flaw = &checked["flaws"][0];
    assert_eq!(
        (&flaw["line"], &flaw["path"]),
        (&json!(6), &json!("steps[0].after[0]"))
    );
    // The same as a text in JSON.
    let quoted = server
        .post("/api/v1/workflows:validate", json!(YAML))
        .await
        .ok();
    assert_eq!(quoted, checked);
    let refused = server
        .raw("PUT", "/api/v1/workflows/etl", &yaml, YAML)
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (422, "invalid_workflow".to_owned())
    );
    let problem = refused.json();
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("line 6"), "{detail}");
    assert_eq!(server.get("/api/v1/workflows/etl").await.status, 404);
    let good = server.post("/api/v1/workflows:validate", etl()).await.ok();
    assert_eq!((&good["valid"], &good["steps"]), (&json!(true), &json!(2)));

    let other = server.put("/api/v1/workflows/other", etl()).await;
    assert_eq!(
        (other.status, other.code()),
        (400, "invalid_field".to_owned())
    );
    let schema = server.get("/api/v1/workflows:schema").await.ok();
    assert_eq!(schema["type"], "object");
    server.stop().await;
}

#[tokio::test]
async fn a_workflow_may_have_the_name_of_what_can_be_asked_of_workflows() {
    let server = Server::start().await;
    for name in ["schema", "validate", "clear", "versions", "a/b", "a b"] {
        let mut definition = etl();
        definition["name"] = json!(name);
        let part = name.replace('/', "%2F").replace(' ', "%20");
        let path = format!("/api/v1/workflows/{part}");
        let put = server.put(&path, definition).await.ok();
        assert_eq!(put["name"], name);
        assert_eq!(server.get(&path).await.ok()["name"], name);
        let version = server.get(&format!("{path}/versions/1")).await.ok();
        assert_eq!(version["name"], name);
        server.post(&format!("{path}/clear"), json!({})).await.ok();
        server.send("DELETE", &path, "").await.ok();
        assert_eq!(server.get(&path).await.ok()["version"], Value::Null);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_request_id_makes_registering_repeatable() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ];
    let path = "/api/v1/workflows/etl";
    let first = server
        .raw("PUT", path, &headers, etl().to_string())
        .await
        .ok();
    let again = server
        .raw("PUT", path, &headers, etl().to_string())
        .await
        .ok();
    assert_eq!(first["version"], again["version"]);
    let mut other = etl();
    other["description"] = json!("another");
    let refused = server.raw("PUT", path, &headers, other.to_string()).await;
    assert_eq!(refused.code(), "request_conflict");
    server.stop().await;
}

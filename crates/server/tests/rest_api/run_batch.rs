//! Starting many runs with one call.

use serde_json::{Value, json};

use super::server::Server;

const PATH: &str = "/api/v1/runs:batch";

fn etl() -> Value {
    json!({
        "name": "etl",
        "parameters": {"day": {"type": "string"}},
        "steps": [{"id": "a", "group": "g", "argv": ["${params.day}"]}],
    })
}

fn day(day: &str) -> Value {
    json!({"workflow": "etl", "parameters": {"day": day}})
}

#[tokio::test]
async fn each_run_is_started_or_refused_by_itself() {
    let server = Server::start().await;
    server.put("/api/v1/workflows/etl", etl()).await.ok();
    let unknown = json!({"workflow": "other"});
    let runs = json!([day("mon"), unknown, {"workflow": "etl"}, day("tue"), {"definition": etl(),
        "parameters": {"day": "wed"}}]);
    let started = server.post(PATH, json!({"runs": runs})).await.ok();
    let all = started["runs"].as_array().expect("outcomes");
    assert_eq!(all.len(), 5);
    assert_eq!(all[1]["problem"]["code"], "not_found");
    assert_eq!(all[2]["problem"]["field"], "parameters");
    assert!(all[1].get("id").is_none() && all[2].get("id").is_none());
    for (place, day) in [(0, "mon"), (3, "tue"), (4, "wed")] {
        assert!(all[place].get("problem").is_none());
        let run = server.run(all[place]["id"].as_str().expect("an id")).await;
        assert_eq!(run["parameters"], json!({ "day": day }));
    }
    let list = server.get("/api/v1/runs").await.ok();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(3));
    server.stop().await;
}

#[tokio::test]
async fn the_same_call_again_starts_nothing() {
    let server = Server::start().await;
    server.put("/api/v1/workflows/etl", etl()).await.ok();
    let bearer = server.bearer();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "sweep-1"),
    ];
    let body = json!({"runs": [day("mon"), day("mon"), day("tue")]}).to_string();
    let first = server.raw("POST", PATH, &headers, body.clone()).await.ok();
    let again = server.raw("POST", PATH, &headers, body).await.ok();
    assert_eq!(first["runs"], again["runs"]);
    let ids: Vec<&Value> = first["runs"].as_array().expect("outcomes").iter().collect();
    assert_ne!(ids[0], ids[1], "two runs that are alike are two");
    let other = json!({"runs": [day("wed")]}).to_string();
    let other = server.raw("POST", PATH, &headers, other).await.ok();
    assert_eq!(other["runs"][0]["problem"]["code"], "request_conflict");
    let list = server.get("/api/v1/runs").await.ok();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(3));
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_is_no_list_of_runs_starts_none() {
    let server = Server::start().await;
    server.put("/api/v1/workflows/etl", etl()).await.ok();
    let mut urgent = day("tue");
    urgent["priority"] = json!(10);
    let many: Vec<Value> = (0..1_001).map(|_| day("mon")).collect();
    let bodies = [
        (json!({"runs": []}), "runs"),
        (json!({"runs": many}), "runs"),
        (json!({"runs": [day("mon"), urgent]}), "runs[1].priority"),
        (
            json!({"runs": [{"parameters": {}}]}),
            "runs[0].workflow or definition",
        ),
    ];
    for (body, field) in bodies {
        let refused = server.post(PATH, body).await;
        assert!(refused.status >= 400, "{field}");
        assert_eq!(refused.json()["field"], field);
    }
    let list = server.get("/api/v1/runs").await.ok();
    assert_eq!(list["items"], json!([]));
    server.stop().await;
}

//! Waiting for tasks to end.

use serde_json::json;

use super::server::Server;

#[tokio::test]
async fn waiting_by_ids_ends_when_all_have_ended() {
    let server = Server::start().await;
    let first = server.submit(json!({"group": "g"})).await;
    let second = server.submit(json!({"group": "g"})).await;
    let body = json!({"ids": [first, second]});
    let waited = server.post("/api/v1/wait", body.clone()).await.ok();
    assert_eq!(
        (&waited["done"], &waited["remaining"]),
        (&json!(false), &json!(2))
    );
    let leases = server.lease("a", 2).await;
    let long = json!({"ids": [first, second], "timeout": 30, "handle": waited["handle"]});
    let (waited, ()) = tokio::join!(server.post("/api/v1/wait", long), async {
        server.report(&leases[0], "complete", json!({})).await.ok();
        server.report(&leases[1], "fail", json!({})).await.ok();
    });
    let waited = waited.ok();
    assert_eq!(
        (&waited["done"], &waited["remaining"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(
        (&waited["counts"]["succeeded"], &waited["counts"]["failed"]),
        (&json!(1), &json!(1))
    );
    let position = waited["position"].as_u64().expect("a position");
    let page = server
        .get(&format!("/api/v1/tasks?state=failed&position={position}"))
        .await
        .ok();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    let unknown = server
        .post("/api/v1/wait", json!({"ids": [first, "99"]}))
        .await;
    assert_eq!(
        (unknown.status, unknown.json()["got"].clone()),
        (404, json!("99"))
    );
    server.stop().await;
}

#[tokio::test]
async fn waiting_by_tag_is_for_what_lived_when_it_began() {
    let server = Server::start().await;
    let nothing = server.post("/api/v1/wait", json!({"tag": "t"})).await.ok();
    assert_eq!(
        (&nothing["done"], &nothing["remaining"]),
        (&json!(true), &json!(0))
    );
    let spec = json!({"group": "g", "tags": ["t"]});
    let before = server.submit(spec.clone()).await;
    let token = server.lease("a", 1).await.remove(0);
    server.report(&token, "fail", json!({})).await.ok();
    let watched = server.submit(spec.clone()).await;
    for by in [
        json!({"tag": "t"}),
        json!({"group": "g"}),
        json!({"tag": "t", "group": "g"}),
    ] {
        let began = server.post("/api/v1/wait", by.clone()).await.ok();
        assert_eq!(
            (&began["done"], &began["remaining"]),
            (&json!(false), &json!(1)),
            "{by}"
        );
        assert_eq!(
            began["counts"]["failed"], 0,
            "{by}: {before} had failed before"
        );
    }
    let began = server.post("/api/v1/wait", json!({"tag": "t"})).await.ok();
    let token = server.lease("b", 1).await.remove(0);
    assert_eq!(token.0, watched);
    let newcomer = server.submit(spec).await;
    server.report(&token, "complete", json!({})).await.ok();
    let go_on = json!({"tag": "t", "timeout": 30, "handle": began["handle"]});
    let waited = server.post("/api/v1/wait", go_on).await.ok();
    assert_eq!(waited["done"], true, "{newcomer} is not waited for");
    assert_eq!(
        (&waited["counts"]["succeeded"], &waited["remaining"]),
        (&json!(1), &json!(0))
    );
    server.stop().await;
}

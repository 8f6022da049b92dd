//! The inventory of routes: what the document says is what the server does.

use serde_json::{Value, json};

use super::server::{Reply, Server};

/// Routes that need no token.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

async fn document(server: &Server) -> Value {
    server.raw("GET", "/api/openapi.json", &[], "").await.ok()
}

/// A path with something in place of its parameters.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    for part in path.split('/').skip(1) {
        filled.push('/');
        filled.push_str(if part.starts_with('{') { "1" } else { part });
    }
    filled
}

#[tokio::test]
async fn every_route_wants_a_token_and_its_own_method() {
    let server = Server::start().await;
    let document = document(&server).await;
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 27, "{} paths", paths.len());
    for (path, item) in paths {
        let methods: Vec<String> = item
            .as_object()
            .expect("an item")
            .keys()
            .map(|m| m.to_uppercase())
            .collect();
        let open = OPEN.contains(&path.as_str());
        for method in &methods {
            let reply = server.raw(method, &filled(path), &[], "").await;
            match open {
                true => assert_eq!(reply.status, 200, "{method} {path}"),
                false => assert_eq!(reply.code(), "unauthorized", "{method} {path}"),
            }
            let wrong = [("authorization", "Bearer cpz_wrong")];
            let reply = server.raw(method, &filled(path), &wrong, "").await;
            assert_eq!(reply.status == 401, !open, "{method} {path}");
        }
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            if methods.iter().any(|known| known == method) {
                continue;
            }
            let reply = server.send(method, &filled(path), "").await;
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.code(), "method_not_allowed");
            let allow = reply
                .headers
                .get("allow")
                .expect("the header Allow")
                .to_str();
            let allow = allow.expect("a text");
            assert!(
                methods.iter().all(|known| allow.contains(known)),
                "{path}: {allow}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_and_says_what_it_refuses() {
    let server = Server::start().await;
    let document = document(&server).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            names.push(
                operation["operationId"]
                    .as_str()
                    .expect("a name")
                    .to_owned(),
            );
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.contains_key("400"), "{method} {path}");
            for (status, response) in responses
                .iter()
                .filter(|(status, _)| status.starts_with(['4', '5']))
            {
                let content = response["content"].as_object();
                let content = content.unwrap_or_else(|| panic!("{method} {path} {status}"));
                let known = content.contains_key("application/problem+json") || path == "/readyz";
                assert!(known, "{method} {path} {status}");
            }
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_route_is_not_found() {
    let server = Server::start().await;
    for path in [
        "/api",
        "/api/",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v2/tasks",
    ] {
        let reply = server.get(path).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn the_page_and_the_document_need_no_token_and_no_network() {
    let server = Server::start().await;
    let page = server.raw("GET", "/api/docs/", &[], "").await;
    assert_eq!(page.status, 200);
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(
        !page.contains("https://"),
        "the page loads something from elsewhere: {page}"
    );
    assert!(!page.contains("<style") && !page.contains("<script>"));
    let script = open_to_all(&server, "/api/docs/swagger-ui-bundle.js").await;
    assert_eq!(script.headers["content-type"], "text/javascript");
    // What the policy names by its hash.
    let preset = open_to_all(&server, "/api/docs/swagger-ui-standalone-preset.js").await;
    let style = ".logo_small_svg__cls-2{fill:#fff}.logo_small_svg__cls-3{fill:#85ea2d}";
    let preset = String::from_utf8_lossy(&preset.body).into_owned();
    assert!(preset.contains(&format!("createElement(\"style\",null,\"{style}\")")));
    server.stop().await;
}

/// A file that needs no token, which is there.
async fn open_to_all(server: &Server, path: &str) -> Reply {
    let reply = server.raw("GET", path, &[], "").await;
    assert_eq!(reply.status, 200, "{path}");
    reply
}

#[tokio::test]
async fn every_answer_tells_browsers_to_run_frame_and_keep_nothing() {
    let server = Server::start().await;
    let told = |reply: &Reply, name: &str| {
        let value = reply
            .headers
            .get(name)
            .map(|value| value.to_str().expect("a text"));
        value.unwrap_or_default().to_owned()
    };
    let made = server
        .post("/api/v1/tokens", json!({"role": "viewer"}))
        .await;
    made.ok();
    let answers = [
        made,
        server.get("/api/v1/tasks").await,
        server.get("/api/v1/nothing").await,
        server.raw("GET", "/livez", &[], "").await,
        server.raw("GET", "/api/v1/tasks", &[], "").await,
        server.raw("GET", "/api/openapi.json", &[], "").await,
        server.raw("GET", "/elsewhere", &[], "").await,
        server
            .raw("GET", "/livez", &[("host", "evil.example")], "")
            .await,
    ];
    let pages = [
        open_to_all(&server, "/api/docs/").await,
        open_to_all(&server, "/api/docs/index.html").await,
        open_to_all(&server, "/api/docs/swagger-initializer.js").await,
    ];
    for answer in answers.iter().chain(&pages) {
        let policy = told(answer, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(policy.ends_with("; frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(told(answer, "x-content-type-options"), "nosniff");
        assert_eq!(told(answer, "referrer-policy"), "no-referrer");
    }
    for answer in &answers {
        assert!(!told(answer, "content-security-policy").contains("-src 'self'"));
        assert_eq!(
            told(answer, "cache-control"),
            "no-store",
            "{}",
            answer.status
        );
    }
    for page in &pages {
        let policy = told(page, "content-security-policy");
        for source in [
            "script-src 'self';",
            "style-src 'self' ",
            "connect-src 'self';",
        ] {
            assert!(policy.contains(source), "{source} in {policy}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn another_namespace_and_a_foreign_page_are_refused() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let token = ("authorization", bearer.as_str());
    let other = ("capataz-namespace", "other");
    let reply = server
        .raw("GET", "/api/v1/tasks", &[token, other], "")
        .await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"));
    let foreign = ("origin", "https://evil.example");
    let reply = server
        .raw("POST", "/api/v1/tasks", &[token, foreign], "")
        .await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "wrong_origin"));
    let host = ("host", "evil.example");
    let reply = server.raw("GET", "/api/v1/tasks", &[token, host], "").await;
    assert_eq!((reply.status, reply.code().as_str()), (421, "wrong_host"));
    server.stop().await;
}

#[tokio::test]
async fn figures_are_shown_to_people_and_scrapers() {
    let server = Server::start().await;
    server
        .submit(json!({"group": "a \"b\"", "tags": ["t"]}))
        .await;
    let metrics = server.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    let line = "capataz_group_tasks{group=\"a \\\"b\\\"\",state=\"queued\"} 1\n";
    assert!(text.contains(line), "{text}");
    let line = "capataz_runs{state=\"running\"} 0\n";
    assert!(text.contains(line), "{text}");
    let stats = server.get("/api/v1/stats?tag=t").await.ok();
    assert_eq!(stats["total"]["counts"]["queued"], 1);
    assert_eq!(stats["groups"][0]["group"], "a \"b\"");
    assert_eq!(stats["tag"]["counts"]["queued"], 1);
    assert_eq!(server.get("/api/v1/stats?group=none").await.status, 404);
    let ready = server.raw("GET", "/readyz", &[], "").await.ok();
    assert_eq!(ready["ready"], true);
    server.stop().await;
}

#[tokio::test]
async fn groups_pods_and_workers_are_set_shown_and_explained() {
    let server = Server::start().await;
    server
        .put("/api/v1/groups/a%2Fb", json!({"max_running": 3}))
        .await
        .ok();
    server
        .post("/api/v1/groups/a%2Fb/pause", json!({}))
        .await
        .ok();
    let group = server.get("/api/v1/groups/a%2Fb").await.ok();
    assert_eq!(
        (&group["max_running"], &group["paused"]),
        (&json!(3), &json!(true))
    );
    server
        .put("/api/v1/groups/a%2Fb", json!({"max_running": null}))
        .await
        .ok();
    let group = server.get("/api/v1/groups/a%2Fb").await.ok();
    assert_eq!(
        (&group["max_running"], &group["paused"]),
        (&json!(null), &json!(true))
    );
    server
        .put("/api/v1/pods/p", json!({"slots": 4, "on_lost": "hold"}))
        .await
        .ok();
    let pod = server.get("/api/v1/pods/p").await.ok();
    assert_eq!(
        (&pod["slots"], &pod["on_lost"]),
        (&json!(4), &json!("hold"))
    );
    assert_eq!(
        server
            .post("/api/v1/pods/none/release", json!({}))
            .await
            .status,
        404
    );
    assert!(server.lease("x", 1).await.is_empty());
    let worker = server.get("/api/v1/workers/w").await.ok();
    assert_eq!(
        (&worker["polling"], &worker["host"]),
        (&json!(true), &json!("127.0.0.1"))
    );
    server.post("/api/v1/workers/w/drain", json!({})).await.ok();
    assert_eq!(server.get("/api/v1/workers/w").await.ok()["draining"], true);
    let id = server.submit(json!({"group": "a/b"})).await;
    let why = server.get(&format!("/api/v1/explain/task/{id}")).await.ok();
    let kinds: Vec<&str> = why["obstacles"]
        .as_array()
        .expect("obstacles")
        .iter()
        .filter_map(|obstacle| obstacle["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["group_paused", "no_worker"]);
    let drained = server.get("/api/v1/explain/worker/w").await.ok();
    assert_eq!(drained["state"], "draining");
    for path in [
        "group/none",
        "worker/none",
        "pod/none",
        "task/99",
        "planet/mars",
    ] {
        let reply = server.get(&format!("/api/v1/explain/{path}")).await;
        assert_eq!(reply.status, 404, "{path}");
    }
    server.stop().await;
}

//! The inventory of routes: every one of REST and gRPC, tried without a token, with the wrong
//! namespace, with every role, and with a revoked token. A route that the list below does not know
//! fails the test: whoever adds one says here who may use it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::server::Server;

/// A second opinion beside the server's own table.
const ROUTES: &str = "
    GET /api/v1/audit                               admin operator submitter viewer
    GET /api/v1/runs                                admin operator submitter viewer
    POST /api/v1/runs                               admin operator submitter
    POST /api/v1/runs:batch                         admin operator submitter
    GET /api/v1/runs/{id}                           admin operator submitter viewer
    GET /api/v1/runs/{id}/audit                     admin operator submitter viewer
    GET /api/v1/runs/{id}/definition                admin operator submitter viewer
    GET /api/v1/runs/{id}/explain                   admin operator submitter viewer
    POST /api/v1/runs/{id}/cancel                   admin operator submitter
    POST /api/v1/runs/{id}/pause                    admin operator
    POST /api/v1/runs/{id}/rerun                    admin operator
    POST /api/v1/runs/{id}/resume                   admin operator
    POST /api/v1/runs/{id}/retry                    admin operator
    POST /api/v1/runs/{id}/steps                    admin operator worker
    POST /api/v1/runs/{id}/wait                     admin operator submitter
    GET /api/v1/workflows                           admin operator submitter viewer
    POST /api/v1/workflows:validate                 admin operator submitter viewer
    GET /api/v1/workflows:schema                    admin operator submitter viewer
    GET /api/v1/workflows/{name}                    admin operator submitter viewer
    PUT /api/v1/workflows/{name}                    admin operator
    DELETE /api/v1/workflows/{name}                 admin operator
    GET /api/v1/workflows/{name}/versions/{n}       admin operator submitter viewer
    POST /api/v1/workflows/{name}/clear             admin operator
    GET /api/v1/events                              admin operator submitter viewer
    GET /api/v1/explain/{kind}/{id}                 admin operator submitter viewer
    GET /api/v1/groups                              admin operator submitter viewer
    GET /api/v1/groups/{group}                      admin operator submitter viewer
    PUT /api/v1/groups/{group}                      admin operator
    POST /api/v1/groups/{group}/pause               admin operator
    POST /api/v1/groups/{group}/resume              admin operator
    POST /api/v1/leases                             admin worker
    POST /api/v1/attempts/{task}/{n}/start          admin worker
    POST /api/v1/attempts/{task}/{n}/tasks          admin worker
    POST /api/v1/attempts/{task}/{n}/heartbeat      admin worker
    POST /api/v1/attempts/{task}/{n}/complete       admin worker
    POST /api/v1/attempts/{task}/{n}/fail           admin worker
    POST /api/v1/attempts/{task}/{n}/again          admin worker
    GET /api/v1/pods                                admin operator submitter viewer
    GET /api/v1/pods/{pod}                          admin operator submitter viewer
    PUT /api/v1/pods/{pod}                          admin operator
    POST /api/v1/pods/{pod}/pause                   admin operator
    POST /api/v1/pods/{pod}/resume                  admin operator
    POST /api/v1/pods/{pod}/release                 admin operator
    GET /api/v1/stats                               admin operator submitter viewer
    GET /api/v1/tasks                               admin operator submitter viewer
    POST /api/v1/tasks                              admin operator submitter
    POST /api/v1/tasks:batch                        admin operator submitter
    GET /api/v1/tasks/{id}                          admin operator submitter viewer
    POST /api/v1/tasks/{id}/cancel                  admin operator submitter
    GET /api/v1/tasks/{id}/logs                     admin operator submitter viewer worker
    POST /api/v1/tasks/{id}/retry                   admin operator submitter
    GET /api/v1/tokens                              admin
    POST /api/v1/tokens                             admin
    DELETE /api/v1/tokens/{id}                      admin
    POST /api/v1/wait                               admin operator submitter
    GET /api/v1/workers                             admin operator submitter viewer
    GET /api/v1/workers/{worker}                    admin operator submitter viewer
    POST /api/v1/workers/{worker}/drain             admin operator
    GET /metrics                                    admin operator submitter viewer
    GRPC /capataz.v1.Tasks/Submit                   admin operator submitter
    GRPC /capataz.v1.Tasks/SubmitStream             admin operator submitter
    GRPC /capataz.v1.Workers/Session                admin worker
";
/// Routes that need no token.
const OPEN: [&str; 2] = ["/livez", "/readyz"];
const ROLES: [&str; 5] = ["admin", "operator", "submitter", "viewer", "worker"];

/// Statuses of gRPC.
const NOT_FOUND: u16 = 5;
const PERMISSION_DENIED: u16 = 7;
const UNAUTHENTICATED: u16 = 16;

/// The roles that may use each method and route.
fn expected() -> BTreeMap<(String, String), Vec<String>> {
    let lines = ROUTES.lines().filter(|line| !line.trim().is_empty());
    let read = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let method = words.next().expect("a method");
        ((method, words.next().expect("a route")), words.collect())
    };
    lines.map(read).collect()
}

/// Every method and route that the server says it has, and every method of the proto.
async fn served(server: &Server) -> Vec<(String, String)> {
    let document = server.raw("GET", "/api/openapi.json", &[], "").await.ok();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        for method in item.as_object().expect("an item").keys() {
            routes.push((method.to_uppercase(), path.clone()));
        }
    }
    let root = format!("{}/../../proto", env!("CARGO_MANIFEST_DIR"));
    let files = protox::compile(["capataz/v1/capataz.proto"], [root]).expect("the proto");
    for file in &files.file {
        for service in &file.service {
            for method in &service.method {
                let (package, service) = (file.package(), service.name());
                let path = format!("/{package}.{service}/{}", method.name());
                routes.push(("GRPC".to_owned(), path));
            }
        }
    }
    routes.sort();
    routes
}

/// A path with something in place of its parameters: task 1 is there.
fn filled(path: &str) -> String {
    let part = |part: &str| {
        if part.starts_with('{') {
            "1".to_owned()
        } else {
            part.to_owned()
        }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// How a request ends: the status of HTTP, or of gRPC when that refuses at once.
async fn ask(
    server: &Server,
    (method, route): &(String, String),
    token: Option<&str>,
    namespace: Option<&str>,
) -> u16 {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(
        bearer
            .as_ref()
            .map(|bearer| ("authorization", bearer.as_str())),
    );
    headers.extend(namespace.map(|name| ("capataz-namespace", name)));
    if method == "GRPC" {
        headers[0].1 = "application/grpc";
        return server.grpc_status(route, &headers, "").await.unwrap_or(0);
    }
    let body = if method == "GET" { "" } else { "{}" };
    // Only its beginning: streams do not end.
    let reply = server.open(method, &filled(route), &headers, body).await;
    reply.status().as_u16()
}

/// A token of each role; the worker's is for the group of task 1.
async fn tokens(server: &Server) -> BTreeMap<&'static str, (String, String)> {
    let mut tokens = BTreeMap::new();
    for role in ROLES {
        let mut wanted = json!({"role": role});
        if role == "worker" {
            wanted["groups"] = json!(["g"]);
        }
        tokens.insert(role, server.make_token(wanted).await);
    }
    tokens
}

#[tokio::test]
async fn every_route_is_known_to_those_who_say_who_may_use_it() {
    let server = Server::start().await;
    let expected: Vec<_> = expected().into_keys().collect();
    assert_eq!(served(&server).await, expected);
    server.stop().await;
}

#[tokio::test]
async fn every_route_is_for_its_roles_and_for_nobody_else() {
    let server = Server::start().await;
    assert_eq!(server.submit(json!({"group": "g"})).await, "1");
    let tokens = tokens(&server).await;
    for route in served(&server).await {
        let grpc = route.0 == "GRPC";
        let (no_token, denied) = match grpc {
            true => (UNAUTHENTICATED, PERMISSION_DENIED),
            false => (401, 403),
        };
        let wrong = [
            None,
            Some("cpz_wrong"),
            Some("cpz_0123456789abcdef_wrong"),
            Some(""),
        ];
        for token in wrong {
            assert_eq!(
                ask(&server, &route, token, None).await,
                no_token,
                "{route:?}"
            );
        }
        let may = &expected()[&route];
        for (role, (_, token)) in &tokens {
            let got = ask(&server, &route, Some(token), None).await;
            match may.iter().any(|one| one == role) {
                true => assert!(got != no_token && got != denied, "{route:?} {role}: {got}"),
                false => assert_eq!(got, denied, "{route:?} {role}"),
            }
            let elsewhere = match (*role, grpc) {
                ("admin", true) => NOT_FOUND,
                ("admin", false) => 404,
                _ => denied,
            };
            let got = ask(&server, &route, Some(token), Some("elsewhere")).await;
            assert_eq!(got, elsewhere, "{route:?} {role}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_by_every_route() {
    let server = Server::start().await;
    let tokens = tokens(&server).await;
    for (id, _) in tokens.values() {
        let revoked = server
            .send("DELETE", &format!("/api/v1/tokens/{id}"), "")
            .await;
        assert_eq!(revoked.status, 200);
    }
    for route in served(&server).await {
        let refused = if route.0 == "GRPC" {
            UNAUTHENTICATED
        } else {
            401
        };
        for (role, (_, token)) in &tokens {
            let got = ask(&server, &route, Some(token), None).await;
            assert_eq!(got, refused, "{route:?} {role}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_route_is_nobodys() {
    let server = Server::start().await;
    let headers = [("content-type", "application/grpc")];
    let unknown = "/capataz.v1.Tasks/DropEverything";
    let got = server.grpc_status(unknown, &headers, "").await;
    assert_eq!(got, Some(UNAUTHENTICATED));
    let bearer = server.bearer();
    let headers = [headers[0], ("authorization", bearer.as_str())];
    let got = server.grpc_status(unknown, &headers, "").await;
    assert_eq!(got, Some(NOT_FOUND));
    for path in [
        "/",
        "/capataz.v1.Tasks/DropEverything",
        "/api/v1/tasks/1/logs/more",
    ] {
        assert_eq!(
            server.raw("GET", path, &[], "").await.code(),
            "unauthorized",
            "{path}"
        );
        assert_eq!(server.get(path).await.code(), "not_found", "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_rebound_name_reaches_neither_rest_nor_grpc() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let token = ("authorization", bearer.as_str());
    for host in [
        "evil.example",
        "evil.example:7117",
        "127.0.0.1.evil.example",
    ] {
        for path in ["/api/v1/tasks", "/livez", "/api/docs/", "/nothing"] {
            let reply = server.raw("GET", path, &[token, ("host", host)], "").await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (421, "wrong_host"),
                "{path}"
            );
        }
        // gRPC has no code for it: what matters is that nothing is answered.
        let kind = ("content-type", "application/grpc");
        let path = "/capataz.v1.Tasks/Submit";
        let status = server.grpc_status_for(host, path, &[token, kind], "").await;
        assert!(
            status.is_some_and(|status| status != 0),
            "{host}: {status:?}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn no_answer_invites_pages_of_other_servers() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let token = ("authorization", bearer.as_str());
    let origin = ("origin", "https://evil.example");
    let preflight = ("access-control-request-method", "POST");
    for (method, path) in [
        ("OPTIONS", "/api/v1/tasks"),
        ("GET", "/api/v1/tasks"),
        ("POST", "/api/v1/tasks"),
        ("GET", "/livez"),
    ] {
        let headers = [token, origin, preflight];
        let reply = server.raw(method, path, &headers, "").await;
        let invites = reply
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("access-control-"));
        assert!(!invites, "{method} {path}: {:?}", reply.headers);
        if method != "GET" {
            assert_eq!(reply.code(), "wrong_origin", "{method} {path}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn compressed_bodies_are_not_taken() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let token = ("authorization", bearer.as_str());
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, identity"] {
        let headers = [
            token,
            ("content-type", "application/json"),
            ("content-encoding", encoding),
        ];
        let reply = server.raw("POST", "/api/v1/tasks", &headers, "x").await;
        let got = (reply.status, reply.code());
        assert_eq!(
            got,
            (415, "unsupported_media_type".to_owned()),
            "{encoding}"
        );
    }
    let headers = [
        token,
        ("content-type", "application/grpc"),
        ("grpc-encoding", "gzip"),
    ];
    // One message, marked as compressed.
    let body = &b"\x01\x00\x00\x00\x01x"[..];
    let unimplemented = 12;
    for method in ["Tasks/Submit", "Tasks/SubmitStream", "Workers/Session"] {
        let path = format!("/capataz.v1.{method}");
        let status = server.grpc_status(&path, &headers, body).await;
        assert_eq!(status, Some(unimplemented), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_document_says_who_may_use_what() {
    let server = Server::start().await;
    let document: Value = server.raw("GET", "/api/openapi.json", &[], "").await.ok();
    for ((method, path), roles) in expected()
        .iter()
        .filter(|((method, _), _)| method != "GRPC")
    {
        let operation = &document["paths"][path][method.to_lowercase()];
        let description = operation["description"].as_str().unwrap_or_default();
        let roles = format!("Roles: {}.", roles.join(", "));
        assert!(
            description.contains(&roles),
            "{method} {path}: {description}"
        );
    }
    server.stop().await;
}

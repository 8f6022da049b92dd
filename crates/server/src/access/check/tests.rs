//! Requests as they come, with one thing wrong at a time.

use axum::body::Body;
use capataz_engine::{Change, Event, State as EngineState, Timestamp, Token, TokenId};

use super::*;
use crate::access::Secret;
use crate::namespace::TokenKeeper;

const OWNER: (&str, &str) = ("authorization", "Bearer cpz_owner");
const HOST: (&str, &str) = ("host", "localhost:7117");

fn access() -> (Access, TokenKeeper) {
    let (keeper, tokens) = TokenKeeper::new(&EngineState::default());
    let access = Access {
        owner: secret::hash("cpz_owner"),
        tokens,
        hosts: vec!["grid.example".to_owned()],
        bound: [10, 0, 0, 7].into(),
        namespace: "default".to_owned(),
    };
    (access, keeper)
}

/// Puts a token on record and returns its text.
fn hand_out(keeper: &TokenKeeper, role: capataz_engine::Role, expires: Option<u64>) -> Secret {
    let made = Secret::random().expect("random bytes");
    let token = Token {
        hash: secret::hash(&made.text),
        name: String::new(),
        role,
        created_at: Timestamp(1),
        expires_at: expires.map(Timestamp),
    };
    let change = Change::TokenCreated { id: made.id, token };
    let at = Timestamp(1);
    keeper.follow(&[Event { at, change }]);
    made
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = axum::http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).expect("a request")
}

fn code_of(access: &Access, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    match access.check(&request(method, path, headers)) {
        Ok(_) => "ok".to_owned(),
        Err(refused) => refused.problem.code.clone(),
    }
}

fn code(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    code_of(&access().0, method, path, headers)
}

#[test]
fn only_a_token_opens_what_is_not_open() {
    assert_eq!(code("GET", "/livez", &[HOST]), "ok");
    assert_eq!(code("GET", "/api/v1/tasks", &[HOST]), "unauthorized");
    for wrong in [
        "Bearer nothing",
        "Bearer ",
        "Basic cpz_owner",
        "Bearer cpz_0_1",
    ] {
        let wrong = ("authorization", wrong);
        assert_eq!(code("GET", "/api/v1/tasks", &[HOST, wrong]), "unauthorized");
    }
    assert_eq!(code("GET", "/api/v1/tasks", &[HOST, OWNER]), "ok");
}

#[test]
fn a_token_is_good_for_its_role_until_it_expires_or_is_revoked() {
    let (access, keeper) = access();
    let role = capataz_engine::Role::Viewer;
    let viewer = hand_out(&keeper, role.clone(), None);
    let old = hand_out(&keeper, role, Some(2));
    let ask = |token: &Secret, method: &str| {
        let bearer = format!("Bearer {}", token.text);
        let headers = [HOST, ("authorization", bearer.as_str())];
        code_of(&access, method, "/api/v1/tasks", &headers)
    };
    assert_eq!(ask(&viewer, "GET"), "ok");
    assert_eq!(ask(&viewer, "HEAD"), "ok");
    assert_eq!(ask(&viewer, "POST"), "forbidden");
    assert_eq!(ask(&viewer, "PATCH"), "method_not_allowed");
    assert_eq!(ask(&old, "GET"), "unauthorized");
    // The number alone, with another secret, opens nothing.
    let forged = Secret {
        id: viewer.id,
        text: format!("cpz_{}_{}", viewer.id, "0".repeat(64)),
    };
    assert_eq!(ask(&forged, "GET"), "unauthorized");
    let change = Change::TokenRevoked { id: viewer.id };
    let at = Timestamp(3);
    keeper.follow(&[Event { at, change }]);
    assert_eq!(ask(&viewer, "GET"), "unauthorized");
    let unknown = TokenId(0);
    assert!(access.tokens.find(unknown).is_none());
}

#[test]
fn a_rebound_name_is_refused_wherever_it_is_named() {
    for evil in [
        "evil.example",
        "evil.example:7117",
        "localhost.evil.example",
        "a b",
    ] {
        assert_eq!(code("GET", "/livez", &[("host", evil)]), "wrong_host");
    }
    assert_eq!(code("GET", "/livez", &[]), "wrong_host");
    let absolute = "http://evil.example/livez";
    assert_eq!(code("GET", absolute, &[]), "wrong_host");
    assert_eq!(code("GET", absolute, &[HOST]), "wrong_host");
    let own = "http://localhost/livez";
    assert_eq!(code("GET", own, &[("host", "evil.example")]), "wrong_host");
    for good in [
        "grid.example:80",
        "GRID.example",
        "[::1]:7117",
        "127.0.0.1",
        "10.0.0.7:1",
    ] {
        assert_eq!(code("GET", "/livez", &[("host", good)]), "ok", "{good}");
    }
}

#[test]
fn a_page_changes_something_only_when_it_is_the_servers_own() {
    let path = "/api/v1/tasks";
    let from = |origin: &'static str| [HOST, OWNER, ("origin", origin)];
    for foreign in [
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "http://localhost",
        "localhost:7117",
        "file://",
    ] {
        assert_eq!(
            code("POST", path, &from(foreign)),
            "wrong_origin",
            "{foreign}"
        );
        assert_eq!(code("GET", path, &from(foreign)), "ok", "{foreign}");
    }
    assert_eq!(code("POST", path, &from("http://127.0.0.1:7117")), "ok");
    let plain = [
        ("host", "grid.example"),
        OWNER,
        ("origin", "https://grid.example"),
    ];
    assert_eq!(code("POST", path, &plain), "ok");
}

#[test]
fn only_an_admin_may_name_a_namespace() {
    let other = ("capataz-namespace", "other");
    let own = ("capataz-namespace", "default");
    let path = "/api/v1/tasks";
    assert_eq!(code("GET", path, &[HOST, OWNER, other]), "not_found");
    assert_eq!(code("GET", path, &[HOST, OWNER, own]), "ok");
    let (access, keeper) = access();
    let viewer = hand_out(&keeper, capataz_engine::Role::Viewer, None);
    let bearer = format!("Bearer {}", viewer.text);
    let viewer = ("authorization", bearer.as_str());
    let ask = |namespace| code_of(&access, "GET", path, &[HOST, viewer, namespace]);
    assert_eq!(ask(other), "forbidden");
    assert_eq!(ask(own), "ok");
}

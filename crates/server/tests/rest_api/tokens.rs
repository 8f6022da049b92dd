//! Tokens: shown once, kept as hashes, good until they expire or are revoked.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use capataz_api::proto::{self, worker_frame, workers_client::WorkersClient};
use http_body_util::BodyExt;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::server::Server;

/// By when a stream has ended whose token has.
const SECONDS: Duration = Duration::from_secs(10);

async fn start_in(dir: &Path) -> Server {
    let dir = dir.to_owned();
    Server::start_with(move |options| options.data_dir = dir).await
}

#[tokio::test]
async fn a_token_is_shown_once_listed_without_it_and_outlives_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = start_in(dir.path()).await;
    let wanted =
        json!({"role": "worker", "groups": ["g", "h"], "name": "farm", "expires_in": "1h"});
    let (id, text) = server.make_token(wanted).await;
    let (_, viewer) = server.make_token(json!({"role": "viewer"})).await;
    assert!(text.starts_with(&format!("cpz_{id}_")));
    let list = server.get("/api/v1/tokens").await;
    let shown = String::from_utf8_lossy(&list.body).into_owned();
    let secret = text.rsplit('_').next().expect("a secret");
    assert!(!shown.contains(secret), "{shown}");
    let item = &list.ok()["items"][0];
    assert_eq!(item["id"], id.as_str());
    assert_eq!(item["groups"], json!(["g", "h"]));
    assert_eq!(
        (&item["role"], &item["name"]),
        (&json!("worker"), &json!("farm"))
    );
    assert_eq!(
        (&item["namespace"], &item["expired"]),
        (&json!("default"), &json!(false))
    );
    server.stop().await;
    let server = start_in(dir.path()).await;
    assert_eq!(server.get_as(&viewer, "/api/v1/tasks").await.status, 200);
    assert_eq!(
        server.get("/api/v1/tokens").await.ok()["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    server.stop().await;
}

#[tokio::test]
async fn no_file_has_a_token_but_the_one_for_the_first_admin() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let dir = place.path().join("data");
    let server = start_in(&dir).await;
    let mode = std::fs::metadata(&dir)
        .expect("the folder")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let (_, text) = server
        .make_token(json!({"role": "admin", "name": "findme"}))
        .await;
    let owner = server.bearer().replace("Bearer ", "");
    assert_eq!(server.get_as(&text, "/api/v1/tokens").await.status, 200);
    server.stop().await;
    let secrets = [
        text.rsplit('_').next().expect("a secret").to_owned(),
        owner.clone(),
    ];
    let (mut files, mut names) = (0, 0);
    for (path, bytes) in files_below(&dir) {
        files += 1;
        let has = |what: &str| bytes.windows(what.len()).any(|at| at == what.as_bytes());
        names += usize::from(has("findme"));
        let clear = secrets.iter().any(|secret| has(secret));
        assert_eq!(clear, path.ends_with("admin-token"), "{}", path.display());
    }
    assert!(
        files > 3 && names > 0,
        "{files} files, {names} with the token's name"
    );
}

fn files_below(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push((path.clone(), std::fs::read(&path).expect("a file"))),
        }
    }
    found
}

#[tokio::test]
async fn a_request_id_makes_one_token_and_shows_it_once() {
    let server = Server::start().await;
    let bearer = server.bearer();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "one"),
    ];
    let body = json!({"role": "viewer"}).to_string();
    let first = server
        .raw("POST", "/api/v1/tokens", &headers, body.clone())
        .await;
    assert_eq!(first.status, 201);
    let again = server.raw("POST", "/api/v1/tokens", &headers, body).await;
    assert_eq!(again.code(), "request_conflict");
    assert_eq!(
        server.get("/api/v1/tokens").await.ok()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    server.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_no_token() {
    let server = Server::start().await;
    for (body, field) in [
        (json!({}), "role"),
        (json!({"role": "root"}), "role"),
        (json!({"role": "worker"}), "groups"),
        (json!({"role": "viewer", "groups": ["g"]}), "groups"),
        (json!({"role": "worker", "groups": [""]}), "groups[0]"),
        (json!({"role": "viewer", "expires_in": 0}), "expires_in"),
        (json!({"role": "viewer", "token": "mine"}), "token"),
    ] {
        let reply = server.post("/api/v1/tokens", body.clone()).await;
        assert_eq!(
            (reply.status, &reply.json()["field"]),
            (400, &json!(field)),
            "{body}"
        );
    }
    for id in ["1", "0123456789abcdef", "x"] {
        let reply = server
            .send("DELETE", &format!("/api/v1/tokens/{id}"), "")
            .await;
        assert_eq!(reply.code(), "not_found", "{id}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_expired_token_is_refused_and_said_to_be() {
    let server = Server::start().await;
    let wanted = json!({"role": "viewer", "expires_in": "2s"});
    let (_, text) = server.make_token(wanted).await;
    assert_eq!(server.get_as(&text, "/api/v1/tasks").await.status, 200);
    let stream = server.get_stream_as(&text, "/api/v1/events").await;
    let ended = tokio::time::timeout(SECONDS, stream.into_body().collect()).await;
    ended
        .expect("the stream ends with its token")
        .expect("a whole body");
    assert_eq!(
        server.get_as(&text, "/api/v1/tasks").await.code(),
        "unauthorized"
    );
    assert_eq!(
        server.get("/api/v1/tokens").await.ok()["items"][0]["expired"],
        true
    );
    server.stop().await;
}

#[tokio::test]
async fn a_revoked_token_ends_its_streams() {
    let server = Server::start().await;
    let (viewer, text) = server.make_token(json!({"role": "viewer"})).await;
    let events = server.get_stream_as(&text, "/api/v1/events").await;
    let wanted = json!({"role": "worker", "groups": ["g"]});
    let (worker, worker_text) = server.make_token(wanted).await;
    let (frames, mut session) = session(&server, &worker_text, hello("w1", "g")).await;
    let welcome = session.message().await.expect("a frame").expect("welcome");
    assert!(matches!(
        welcome.frame,
        Some(proto::master_frame::Frame::Welcome(_))
    ));
    let poll = json!({"worker": "w2", "pod": "p2", "groups": ["g"], "wait": 60}).to_string();
    let polling = server.send_as(&worker_text, "POST", "/api/v1/leases", poll);
    let revoke = async {
        for id in [viewer, worker] {
            server
                .send("DELETE", &format!("/api/v1/tokens/{id}"), "")
                .await
                .ok();
        }
    };
    let (polled, ()) = tokio::time::timeout(SECONDS, async { tokio::join!(polling, revoke) })
        .await
        .expect("the poll ends with its token");
    assert_eq!(polled.code(), "unauthorized");
    let ended = tokio::time::timeout(SECONDS, events.into_body().collect()).await;
    ended.expect("the events end").expect("a whole body");
    let ended = tokio::time::timeout(SECONDS, session.message()).await;
    let status = ended.expect("the session ends").expect_err("a refusal");
    assert_eq!(status.code(), tonic::Code::Unauthenticated);
    // Its frames are not read any more, either: the worker counts as gone.
    let gone = async {
        loop {
            let shown = server.get("/api/v1/workers/w1").await;
            if shown.status == 404 || shown.ok()["connected"] == false {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SECONDS, gone)
        .await
        .expect("the worker is detached");
    drop(frames);
    server.stop().await;
}

pub(crate) fn hello(name: &str, group: &str) -> proto::Hello {
    proto::Hello {
        name: name.to_owned(),
        incarnation: vec![1; 16].into(),
        host: "h".to_owned(),
        pod: "p".to_owned(),
        groups: vec![group.to_owned()],
        concurrency: 1,
        ..Default::default()
    }
}

pub(crate) type Frames = (
    mpsc::Sender<proto::WorkerFrame>,
    tonic::Streaming<proto::MasterFrame>,
);

/// Opens a worker's session; panics when it is refused.
pub(crate) async fn session(server: &Server, token: &str, hello: proto::Hello) -> Frames {
    try_session(server, token, hello).await.expect("a session")
}

/// The same, or the refusal.
pub(crate) async fn try_session(
    server: &Server,
    token: &str,
    hello: proto::Hello,
) -> Result<Frames, tonic::Status> {
    let (sender, receiver) = mpsc::channel(8);
    let frame = Some(worker_frame::Frame::Hello(hello));
    sender
        .send(proto::WorkerFrame { frame })
        .await
        .expect("room");
    let endpoint = tonic::transport::Endpoint::from_shared(server.url().to_owned());
    let channel = endpoint
        .expect("a URL")
        .connect()
        .await
        .expect("a connection");
    let mut request = tonic::Request::new(ReceiverStream::new(receiver));
    let bearer = format!("Bearer {token}").parse().expect("a header");
    request.metadata_mut().insert("authorization", bearer);
    let answer = WorkersClient::new(channel).session(request).await?;
    Ok((sender, answer.into_inner()))
}

//! A server of its own for each test.

use std::sync::Mutex;

use bytes::Bytes;
use capataz_server::{Running, ServeOptions};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::task::JoinHandle;

/// A server in a temporary folder, on a free port.
pub(crate) struct Server {
    running: Mutex<Option<Running>>,
    url: String,
    token: String,
    client: Client<HttpConnector, Full<Bytes>>,
    _dir: tempfile::TempDir,
}

/// An answer, read whole.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A number that no other call gets.
fn fresh_number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}: {:?}", self.status, self.body))
    }

    /// The code of a refusal.
    pub(crate) fn code(&self) -> String {
        let content_type = self
            .headers
            .get("content-type")
            .map(|value| value.as_bytes());
        assert_eq!(
            content_type,
            Some(&b"application/problem+json"[..]),
            "{:?}",
            self.body
        );
        self.json()["code"]
            .as_str()
            .expect("a problem has a code")
            .to_owned()
    }

    /// The JSON of an answer that must be a success.
    pub(crate) fn ok(&self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{}: {:?}",
            self.status,
            self.body
        );
        self.json()
    }
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut ServeOptions)) -> Server {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut options = ServeOptions::new(dir.path());
        options.listen = "127.0.0.1:0".parse().expect("an address");
        change(&mut options);
        let running = capataz_server::serve(options)
            .await
            .expect("the server starts");
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (url, token) = (running.url(), running.token().to_owned());
        Server {
            running: Mutex::new(Some(running)),
            url,
            token,
            client,
            _dir: dir,
        }
    }

    /// Begins to stop, while requests are still on their way.
    pub(crate) fn begin_stop(&self) -> JoinHandle<()> {
        let running = self.running.lock().expect("nobody panicked with it").take();
        tokio::spawn(running.expect("it is stopped once").shutdown())
    }

    pub(crate) async fn stop(self) {
        self.begin_stop().await.expect("the server stops");
    }

    /// Sends a request and returns as soon as the answer begins.
    pub(crate) async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let uri = format!("{}{path}", self.url);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        self.client.request(request).await.expect("an answer")
    }

    /// Sends a request with exactly these headers.
    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let response = self.open(method, path, headers, body).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Sends a request with the token and a JSON body.
    pub(crate) async fn send(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Reply {
        let bearer = self.bearer();
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        self.raw(method, path, &headers, body).await
    }

    /// The admin's token.
    pub(crate) fn token(&self) -> String {
        self.token.clone()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Makes a token and returns its id and its text.
    pub(crate) async fn make_token(&self, wanted: Value) -> (String, String) {
        let made = self.post("/api/v1/tokens", wanted).await.ok();
        let text = |field: &str| made[field].as_str().expect("a text").to_owned();
        (text("id"), text("token"))
    }

    /// Sends a request with another token and a JSON body.
    pub(crate) async fn send_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Reply {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        self.raw(method, path, &headers, body).await
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Reply {
        self.send_as(token, "GET", path, "").await
    }

    /// The beginning of an answer that may not end.
    pub(crate) async fn get_stream_as(&self, token: &str, path: &str) -> Response<Incoming> {
        let bearer = format!("Bearer {token}");
        self.open("GET", path, &[("authorization", &bearer)], "")
            .await
    }

    /// The status with which a gRPC call is refused at once; none when it is not.
    pub(crate) async fn grpc_status(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Option<u16> {
        let host = self.url.trim_start_matches("http://").to_owned();
        self.grpc_status_for(&host, path, headers, body).await
    }

    /// The same for a request that names a host.
    pub(crate) async fn grpc_status_for(
        &self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Option<u16> {
        let address = self.url.trim_start_matches("http://");
        let stream = tokio::net::TcpStream::connect(address).await;
        let stream = TokioIo::new(stream.expect("a connection"));
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
        let (mut sender, connection) = shaken.expect("a handshake");
        let connection = tokio::spawn(connection);
        let mut request = Request::builder()
            .method("POST")
            .uri(format!("http://{host}{path}"))
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        connection.abort();
        let status = response.headers().get("grpc-status")?;
        Some(status.to_str().expect("a text").parse().expect("a number"))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let bearer = self.bearer();
        self.raw("GET", path, &[("authorization", &bearer)], "")
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.send("PUT", path, body.to_string()).await
    }

    /// Submits a task and returns its id.
    pub(crate) async fn submit(&self, spec: Value) -> String {
        let submitted = self.post("/api/v1/tasks", spec).await.ok();
        submitted["id"].as_str().expect("an id").to_owned()
    }

    /// The task as `GET /tasks/{id}` shows it.
    pub(crate) async fn task(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/tasks/{id}")).await.ok()
    }

    /// Leases up to `max` attempts of group `g`.
    pub(crate) async fn lease(&self, poll_id: &str, max: u32) -> Vec<(String, u64)> {
        let body = serde_json::json!({
            "worker": "w", "pod": "p", "slots": 100, "groups": ["g"], "max": max,
            "poll_id": poll_id,
        });
        let leases = self.post("/api/v1/leases", body).await.ok();
        let leases = leases["leases"].as_array().expect("leases").clone();
        let token = |lease: &Value| {
            let task = lease["task"].as_str().expect("a task").to_owned();
            (task, lease["attempt"].as_u64().expect("an attempt"))
        };
        leases.iter().map(token).collect()
    }

    /// Starts a run of a definition and returns its id.
    pub(crate) async fn start_run(&self, definition: Value) -> String {
        let request = serde_json::json!({"definition": definition});
        let started = self.post("/api/v1/runs", request).await.ok();
        started["id"].as_str().expect("an id").to_owned()
    }

    /// The run as `GET /runs/{id}` shows it.
    pub(crate) async fn run(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/runs/{id}")).await.ok()
    }

    /// Leases what group `g` has and reports it, as `outcome` says of its step, until nothing comes
    /// up within a moment: a report leads to the next steps before it is answered.
    pub(crate) async fn work(&self, outcome: impl Fn(&str) -> Option<Value>) {
        for round in 0.. {
            let leases = self
                .lease(&format!("round {round} of {}", fresh_number()), 100)
                .await;
            if leases.is_empty() {
                return;
            }
            for lease in leases {
                let task = self.task(&lease.0).await;
                match outcome(task["step"].as_str().unwrap_or_default()) {
                    Some(output) => {
                        let usage =
                            serde_json::json!({"wall": 0.001, "cpu": 0.001, "peak_memory": 1});
                        let output = output.to_string();
                        let body = serde_json::json!({"output": output, "usage": usage});
                        self.report(&lease, "complete", body).await.ok();
                    }
                    None => {
                        let body = serde_json::json!({"fatal": true});
                        self.report(&lease, "fail", body).await.ok();
                    }
                }
            }
        }
    }

    /// The audit trail as it is exported.
    pub(crate) async fn audit(&self, path: &str) -> Vec<Value> {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        assert_eq!(reply.headers["content-type"], "application/x-ndjson");
        let text = String::from_utf8(reply.body.to_vec()).expect("UTF-8");
        let line = |line: &str| serde_json::from_str(line).expect("each line is JSON");
        text.lines().map(line).collect()
    }

    /// Reports on an attempt.
    pub(crate) async fn report(
        &self,
        (task, attempt): &(String, u64),
        verb: &str,
        body: Value,
    ) -> Reply {
        self.post(&format!("/api/v1/attempts/{task}/{attempt}/{verb}"), body)
            .await
    }
}

//! One REST call after another.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use serde::de::DeserializeOwned;

use super::backoff::Patience;
use super::transport::{Body, Transport, innermost};
use super::{ClientConfig, ClientError};
use crate::problem::{Code, Problem};

/// The largest answer that is read: a guard against a server gone mad, not a limit to design for.
const ANSWER_BYTES: usize = 256 * 1024 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JSON_LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// What is asked for.
pub(super) struct Call {
    pub(super) method: Method,
    /// Below `/api/v1`, with the query.
    pub(super) path: String,
    pub(super) body: Option<Bytes>,
    /// Makes the call repeatable when it changes something.
    pub(super) request_id: Option<String>,
    /// How long the server may take on purpose.
    pub(super) waits: Duration,
}

/// A failed try.
struct Failure {
    error: ClientError,
    again: bool,
    after: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Http {
    pub(super) transport: Transport,
    token: Option<HeaderValue>,
    namespace: Option<HeaderValue>,
    timeout: Duration,
    pub(super) patience: Patience,
}

impl Call {
    pub(super) fn get(path: String) -> Call {
        Call {
            method: Method::GET,
            path,
            body: None,
            request_id: None,
            waits: Duration::ZERO,
        }
    }

    /// A call with a body that changes nothing, or that something in the body makes repeatable.
    pub(super) fn post(path: String, body: &impl serde::Serialize) -> Call {
        Call {
            method: Method::POST,
            body: Some(to_json(body)),
            ..Call::get(path)
        }
    }

    /// A call that changes something: once, however often it is tried.
    pub(super) fn change(method: Method, path: String, body: &impl serde::Serialize) -> Call {
        Call {
            method,
            body: Some(to_json(body)),
            request_id: Some(format!("{:032x}", rand::random::<u128>())),
            ..Call::get(path)
        }
    }

    pub(super) fn waiting(mut self, waits: Duration) -> Call {
        self.waits = waits;
        self
    }
}

fn to_json(body: &impl serde::Serialize) -> Bytes {
    let bytes = serde_json::to_vec(body).expect("documents of this crate are always JSON");
    Bytes::from(bytes)
}

impl Http {
    /// `transport` leads to the master that `config` is for.
    pub(super) fn new(transport: Transport, config: &ClientConfig) -> Result<Http, ClientError> {
        let token = config.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut token = header("token", token)?;
        if let Some(token) = &mut token {
            token.set_sensitive(true);
        }
        Ok(Http {
            transport,
            token,
            namespace: header("namespace", config.namespace.clone())?,
            timeout: config.request_timeout,
            patience: Patience::new(config),
        })
    }

    /// The server's URL, without a slash at its end.
    pub(super) fn url(&self) -> &str {
        self.transport.url()
    }

    pub(super) fn token(&self) -> Option<&HeaderValue> {
        self.token.as_ref()
    }

    pub(super) fn namespace(&self) -> Option<&HeaderValue> {
        self.namespace.as_ref()
    }

    /// Asks until there is an answer or patience ends.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        self.ask(call, JSON, |body| serde_json::from_slice(body))
            .await
    }

    /// Asks in the same way for an answer that has one document a line.
    pub(super) async fn call_lines<T: DeserializeOwned>(
        &self,
        call: Call,
    ) -> Result<Vec<T>, ClientError> {
        self.ask(call, JSON_LINES, |body| {
            let lines = body.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.trim_ascii().is_empty());
            lines.map(serde_json::from_slice).collect()
        })
        .await
    }

    async fn ask<T>(
        &self,
        call: Call,
        accept: HeaderValue,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, ClientError> {
        let mut tries = self.patience.begin();
        let mut sent = false;
        loop {
            let failure = match self.try_once(&call, accept.clone(), &read).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            sent |= matches!(failure.error, ClientError::NoAnswer { .. });
            let pause = failure.again.then(|| tries.next_pause(failure.after));
            match (pause.flatten(), failure.error) {
                (Some(pause), _) => tokio::time::sleep(pause).await,
                // The last try sent nothing, but an earlier one may have been carried out.
                (None, ClientError::Unreachable { url, cause }) if sent => {
                    return Err(ClientError::NoAnswer { url, cause });
                }
                (None, error) => return Err(error),
            }
        }
    }

    async fn try_once<T>(
        &self,
        call: &Call,
        accept: HeaderValue,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, Failure> {
        let whole = async {
            let response = self.send(call, accept).await?;
            let body = self.read(response.into_body()).await?;
            read(&body).map_err(|error| self.protocol(error.to_string()))
        };
        let timeout = self.timeout + call.waits;
        tokio::time::timeout(timeout, whole)
            .await
            .unwrap_or_else(|_| Err(self.no_answer(format!("nothing came for {timeout:?}"))))
    }

    /// Opens a stream of server-sent events; the caller reads its body.
    pub(super) async fn open_stream(&self, path: &str) -> Result<Body, (ClientError, bool)> {
        let call = Call::get(path.to_owned());
        let open = self.send(&call, HeaderValue::from_static("text/event-stream"));
        match tokio::time::timeout(self.timeout, open).await {
            Ok(Ok(response)) => Ok(response.into_body()),
            Ok(Err(failure)) => Err((failure.error, failure.again)),
            Err(_) => {
                let failure = self.no_answer(format!("nothing came for {:?}", self.timeout));
                Err((failure.error, true))
            }
        }
    }

    /// Sends the request once; every status but success is a failure.
    async fn send(&self, call: &Call, accept: HeaderValue) -> Result<Response<Body>, Failure> {
        let request = self.request(call, accept);
        let sent = self.transport.send(request).await;
        let response = sent.map_err(|error| Failure {
            again: !matches!(error, ClientError::Closed { .. }),
            error,
            after: None,
        })?;
        self.patience.reached();
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    fn request(&self, call: &Call, accept: HeaderValue) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}/api/v1{}", self.transport.base(), call.path))
            .header(ACCEPT, accept);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        if let Some(namespace) = &self.namespace {
            request = request.header("capataz-namespace", namespace);
        }
        if let Some(id) = &call.request_id {
            request = request.header("idempotency-key", id);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, JSON);
        }
        request
            .body(Full::new(call.body.clone().unwrap_or_default()))
            .expect("the base URL was parsed, and paths are percent-encoded")
    }

    async fn read(&self, body: Body) -> Result<Bytes, Failure> {
        let whole = Limited::new(body, ANSWER_BYTES).collect().await;
        let whole = whole.map_err(|error| self.no_answer(innermost(error.as_ref())))?;
        Ok(whole.to_bytes())
    }

    /// A status other than success, with its problem document.
    async fn refusal(&self, response: Response<Body>) -> Failure {
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER);
        let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = match self.read(response.into_body()).await {
            Ok(body) => body,
            Err(failure) => return failure,
        };
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Failure {
                again: problem.is_transient(),
                after: problem.retry_after.or(after).map(Duration::from_secs),
                error: ClientError::Refused(problem),
            },
            // A proxy, or a server that is only half there.
            Err(_) if status == StatusCode::SERVICE_UNAVAILABLE => Failure {
                again: true,
                after: after.map(Duration::from_secs),
                error: ClientError::Refused(Problem::new(
                    Code::Unavailable,
                    format!("{} answers {status}", self.url()),
                )),
            },
            Err(_) => self.protocol(format!("status {status} without a problem document")),
        }
    }

    fn no_answer(&self, cause: String) -> Failure {
        let url = self.url().to_owned();
        Failure {
            error: ClientError::NoAnswer { url, cause },
            again: true,
            after: None,
        }
    }

    fn protocol(&self, what: String) -> Failure {
        let url = self.url().to_owned();
        Failure {
            error: ClientError::Protocol { url, what },
            again: false,
            after: None,
        }
    }
}

fn header(what: &'static str, text: Option<String>) -> Result<Option<HeaderValue>, ClientError> {
    let value = text.map(HeaderValue::try_from).transpose();
    value.map_err(|_| ClientError::BadHeader { what })
}

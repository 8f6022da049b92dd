//! Who may ask what: the outermost layer, over REST and gRPC alike. Deny by default.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use capataz_api::problem::{Code, Problem};

use crate::rest::ProblemResponse;

/// The header in which an admin names a namespace.
const NAMESPACE_HEADER: &str = "capataz-namespace";
/// Routes that need no token.
const OPEN: &[&str] = &["/livez", "/readyz", "/api/docs", "/api/openapi.json"];

/// What requests are checked against.
pub(crate) struct Access {
    /// The hash of the admin's token: comparing hashes takes the same time for every guess.
    token: blake3::Hash,
    hosts: Vec<String>,
    namespace: String,
}

impl Access {
    /// Lets the holder of `token` in, who reached the server under its own address, a loopback
    /// name, or one of `hosts`.
    pub(crate) fn new(
        token: &str,
        bound: SocketAddr,
        hosts: &[String],
        namespace: &str,
    ) -> Arc<Access> {
        let mut hosts: Vec<String> = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        hosts.push(bound.ip().to_string());
        let token = blake3::hash(token.as_bytes());
        Arc::new(Access {
            token,
            hosts,
            namespace: namespace.to_owned(),
        })
    }

    fn check(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        self.check_host(headers, request.uri())?;
        if request.method() != Method::GET && request.method() != Method::HEAD {
            self.check_origin(headers)?;
        }
        if is_open(request.uri().path()) {
            return Ok(());
        }
        self.check_token(headers)?;
        self.check_namespace(headers)
    }

    /// A page that made a browser resolve its own name to this address is not let in.
    fn check_host(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
        let named = uri.host().map(str::to_owned).or_else(|| {
            let host = headers.get(header::HOST)?.to_str().ok()?;
            Some(host_of(host).to_owned())
        });
        match named {
            Some(host) if self.answers_for(&host) => Ok(()),
            named => {
                let got = named.unwrap_or_default();
                let detail = format!("this server does not answer for the host {got:?}");
                Err(Problem::new(Code::WrongHost, detail).got(got))
            }
        }
    }

    fn answers_for(&self, host: &str) -> bool {
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        let loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        loopback || host == "localhost" || self.hosts.contains(&host)
    }

    /// What changes something and comes from a page must come from a page of this server.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let origin = origin.to_str().unwrap_or_default();
        let own = origin
            .split_once("://")
            .is_some_and(|(_, authority)| self.answers_for(host_of(authority)));
        if own {
            return Ok(());
        }
        let detail = format!("requests from pages of {origin:?} are not accepted");
        Err(Problem::new(Code::WrongOrigin, detail).got(origin.to_owned()))
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        match given {
            Some(token) if blake3::hash(token.as_bytes()) == self.token => Ok(()),
            Some(_) => Err(unauthorized("the token is not known")),
            None => Err(unauthorized(
                "the header `Authorization: Bearer TOKEN` is missing",
            )),
        }
    }

    fn check_namespace(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match headers
            .get(NAMESPACE_HEADER)
            .map(|name| name.to_str().unwrap_or_default())
        {
            None => Ok(()),
            Some(name) if name == self.namespace => Ok(()),
            Some(name) => {
                let detail = format!("there is no namespace {name:?}");
                Err(Problem::new(Code::NotFound, detail).field(NAMESPACE_HEADER))
            }
        }
    }
}

fn unauthorized(detail: &str) -> Problem {
    let hint = "the admin's token is in the file admin-token of the server's data folder";
    Problem::new(Code::Unauthorized, detail).hint(hint)
}

fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || path.starts_with("/api/docs/")
}

/// The host of `host:port` or `[v6]:port`.
fn host_of(authority: &str) -> &str {
    if let Some(end) = authority.find(']') {
        return &authority[..=end];
    }
    authority
        .split_once(':')
        .map_or(authority, |(host, _)| host)
}

/// Whether the caller reads a gRPC status rather than a document.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The layer.
pub(super) async fn check(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let grpc = is_grpc(request.headers());
    match access.check(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) if grpc => tonic::Status::from(problem).into_http(),
        Err(problem) => ProblemResponse(problem).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn access() -> Arc<Access> {
        let bound = SocketAddr::from(([127, 0, 0, 1], 7117));
        Access::new("secret", bound, &["grid.example".to_owned()], "default")
    }

    fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).expect("a request")
    }

    fn code(method: &str, path: &str, headers: &[(&str, &str)]) -> Option<String> {
        access()
            .check(&request(method, path, headers))
            .err()
            .map(|problem| problem.code.clone())
    }

    const TOKEN: (&str, &str) = ("authorization", "Bearer secret");

    #[test]
    fn only_the_token_opens_what_is_not_open() {
        let host = ("host", "localhost:7117");
        assert_eq!(code("GET", "/livez", &[host]), None);
        assert_eq!(
            code("GET", "/api/v1/tasks", &[host]).as_deref(),
            Some("unauthorized")
        );
        let wrong = ("authorization", "Bearer nothing");
        assert_eq!(
            code("GET", "/api/v1/tasks", &[host, wrong]).as_deref(),
            Some("unauthorized")
        );
        assert_eq!(code("GET", "/api/v1/tasks", &[host, TOKEN]), None);
    }

    #[test]
    fn a_rebound_name_and_a_foreign_page_are_refused() {
        let evil = ("host", "evil.example");
        assert_eq!(
            code("GET", "/livez", &[evil, TOKEN]).as_deref(),
            Some("wrong_host")
        );
        assert_eq!(code("GET", "/livez", &[("host", "grid.example:80")]), None);
        let host = ("host", "[::1]:7117");
        let foreign = ("origin", "https://evil.example");
        let own = ("origin", "http://127.0.0.1:7117");
        assert_eq!(
            code("POST", "/x", &[host, TOKEN, foreign]).as_deref(),
            Some("wrong_origin")
        );
        assert_eq!(code("POST", "/x", &[host, TOKEN, own]), None);
    }

    #[test]
    fn a_namespace_that_is_not_there_is_not_found() {
        let host = ("host", "localhost");
        let other = ("capataz-namespace", "other");
        assert_eq!(
            code("GET", "/x", &[host, TOKEN, other]).as_deref(),
            Some("not_found")
        );
    }
}

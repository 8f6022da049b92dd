//! The check that every request passes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use capataz_api::problem::{Code, Problem};
use capataz_api::rest::Role;

use super::bounded::{Ending, bound};
use super::rights::{self, Right, is_open};
use super::{Caller, secret};
use crate::clock;
use crate::namespace::{Namespace, Tokens};
use crate::rest::ProblemResponse;

/// The header in which an admin names a namespace.
const NAMESPACE_HEADER: &str = "capataz-namespace";

/// What requests are checked against.
pub(crate) struct Access {
    /// The hash of the token in the data folder.
    owner: [u8; 32],
    tokens: Tokens,
    /// Names that the operator gave the server.
    hosts: Vec<String>,
    bound: IpAddr,
    namespace: String,
}

/// Why a request is not let in.
struct Refused {
    problem: Problem,
    /// The methods that the route has, when it does not have the one asked for.
    allow: Option<HeaderValue>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused {
            problem,
            allow: None,
        }
    }
}

impl Access {
    /// Lets those in who have a token of the namespace, or `token`, and who reached the server
    /// under its own address, a loopback name, or one of `hosts`.
    pub(crate) fn new(
        token: &str,
        bound: SocketAddr,
        hosts: &[String],
        namespace: &Namespace,
    ) -> Arc<Access> {
        Arc::new(Access {
            owner: secret::hash(token),
            tokens: namespace.tokens().clone(),
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            bound: bound.ip(),
            namespace: namespace.name().to_owned(),
        })
    }

    /// Who asks, when somebody has to be known; none for what is open to all.
    fn check(&self, request: &Request) -> Result<Option<Caller>, Refused> {
        let headers = request.headers();
        let host = self.check_host(headers, request.uri())?;
        let method = request.method();
        if method != Method::GET && method != Method::HEAD {
            self.check_origin(headers, &host)?;
        }
        if is_open(request.uri().path()) {
            return Ok(None);
        }
        let caller = self.check_token(headers)?;
        self.check_namespace(headers, &caller)?;
        let matched = request.extensions().get::<MatchedPath>();
        let route = matched.map_or(request.uri().path(), MatchedPath::as_str);
        check_right(method, route, request.uri(), caller.role())?;
        Ok(Some(caller))
    }

    /// A page that made a browser resolve its own name to this address is not let in.
    fn check_host(&self, headers: &HeaderMap, uri: &Uri) -> Result<Authority, Problem> {
        let header = headers.get(header::HOST).map(HeaderValue::as_bytes);
        let header = header.map(|host| Authority::try_from(host).map_err(|_| host));
        // HTTP/2 has it in the URI; who names two must mean well with both.
        let named = uri.authority().cloned().map(Ok).into_iter().chain(header);
        let mut own = None;
        for named in named {
            match named {
                Ok(host) if self.answers_for(host.host()) => own = own.or(Some(host)),
                Ok(host) => return Err(wrong_host(host.as_str())),
                Err(bytes) => return Err(wrong_host(&String::from_utf8_lossy(bytes))),
            }
        }
        own.ok_or_else(|| wrong_host(""))
    }

    fn answers_for(&self, host: &str) -> bool {
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        let address = host.parse::<IpAddr>();
        let address = address.is_ok_and(|ip| ip.is_loopback() || ip == self.bound);
        address || host == "localhost" || self.hosts.contains(&host)
    }

    /// What changes something and comes from a page must come from a page of this server: of the
    /// same port, because other servers of this machine have its names as well.
    fn check_origin(&self, headers: &HeaderMap, host: &Authority) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let origin = origin.to_str().unwrap_or_default();
        let own = origin.parse::<Uri>().is_ok_and(|origin| {
            let default = match origin.scheme_str() {
                Some("https") => 443,
                Some("http") => 80,
                _ => return false,
            };
            let page = origin
                .authority()
                .filter(|page| self.answers_for(page.host()));
            page.is_some_and(|page| {
                let port = page.port_u16().unwrap_or(default);
                port == host.port_u16().unwrap_or(default)
            })
        });
        if own {
            return Ok(());
        }
        let detail = format!("requests from pages of {origin:?} are not accepted");
        Err(Problem::new(Code::WrongOrigin, detail).got(origin.to_owned()))
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let text = given
            .ok_or_else(|| unauthorized("the header `Authorization: Bearer TOKEN` is missing"))?;
        let hash = secret::hash(text);
        let Some(id) = secret::number(text) else {
            return match secret::is_same(&hash, &self.owner) {
                true => Ok(Caller::owner()),
                false => Err(unauthorized("the token is not known")),
            };
        };
        match self.tokens.find(id) {
            Some(token) if secret::is_same(&hash, &token.hash) => {
                match token.is_expired(clock::wall()) {
                    false => Ok(Caller::holder(id, token, self.tokens.clone())),
                    true => Err(unauthorized("the token has expired")),
                }
            }
            _ => Err(unauthorized("the token is not known, or was revoked")),
        }
    }

    /// The namespace comes from the token; only an admin may name another.
    fn check_namespace(&self, headers: &HeaderMap, caller: &Caller) -> Result<(), Problem> {
        let named = headers.get(NAMESPACE_HEADER);
        let named = named.map(|name| String::from_utf8_lossy(name.as_bytes()));
        match named {
            None => Ok(()),
            Some(name) if name == self.namespace.as_str() => Ok(()),
            Some(name) if caller.role() == Role::Admin => {
                let detail = format!("there is no namespace {name:?}");
                Err(Problem::new(Code::NotFound, detail).field(NAMESPACE_HEADER))
            }
            Some(name) => {
                let detail = format!("the token is for the namespace {:?}", self.namespace);
                let problem = Problem::new(Code::Forbidden, detail).field(NAMESPACE_HEADER);
                Err(problem.got(name.into_owned()))
            }
        }
    }
}

fn check_right(method: &Method, route: &str, uri: &Uri, role: Role) -> Result<(), Refused> {
    match rights::right(method, route) {
        Right::Roles(roles) if roles.contains(&role) => Ok(()),
        Right::Roles(roles) => {
            let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
            let (role, path) = (role.as_str(), uri.path());
            let detail = format!("a token of the role {role} is not for {method} {path}");
            let problem = Problem::new(Code::Forbidden, detail);
            Err(problem.limit(names.join(", ")).got(role).into())
        }
        Right::OtherMethods(methods) => Err(Refused {
            problem: crate::rest::wrong_method(method, uri),
            allow: HeaderValue::from_str(&methods.join(", ")).ok(),
        }),
        Right::Unknown => Err(crate::rest::unknown_route(uri).into()),
    }
}

fn wrong_host(got: &str) -> Problem {
    let detail = format!("this server does not answer for the host {got:?}");
    Problem::new(Code::WrongHost, detail).got(got)
}

fn unauthorized(detail: &str) -> Problem {
    let hint = "an admin makes tokens with `capataz token create`; the first admin's is in the \
        file admin-token of the server's data folder";
    Problem::new(Code::Unauthorized, detail).hint(hint)
}

/// Whether the caller reads a gRPC status rather than a document.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The layer.
pub(crate) async fn check(
    State(access): State<Arc<Access>>,
    mut request: Request,
    next: Next,
) -> Response {
    let grpc = is_grpc(request.headers());
    let refused = match access.check(&request) {
        Ok(None) => return next.run(request).await,
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller.clone());
            let request = request.map(|body| bound(body, &caller, Ending::BrokenOff));
            let ending = if grpc { Ending::Status } else { Ending::Silent };
            let answer = next.run(request).await;
            return answer.map(|body: Body| bound(body, &caller, ending));
        }
        Err(refused) => refused,
    };
    if grpc {
        return tonic::Status::from(refused.problem).into_http();
    }
    let mut response = ProblemResponse(refused.problem).into_response();
    if let Some(allow) = refused.allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

#[cfg(test)]
mod tests;

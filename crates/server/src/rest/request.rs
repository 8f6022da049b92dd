//! Reading requests strictly: what is not known, too large or not JSON is refused, by name. What a
//! good body or query is, `capataz_api::rest` says.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use capataz_api::limits::{NAME_BYTES, REQUEST_BYTES};
use capataz_api::problem::{Code, Problem};
use capataz_api::rest;
use capataz_engine as engine;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::refusal::ProblemResponse;
use crate::access::Caller;

/// What bodies are unless a route says otherwise.
pub(super) const JSON: &str = "application/json";
/// One JSON document a line.
pub(super) const JSON_LINES: &str = "application/x-ndjson";
/// Definitions of workflows as people write them.
pub(super) const YAML: &str = "application/yaml";
/// The header that makes a call repeatable.
const REQUEST_ID: &str = "idempotency-key";

/// A JSON body; none stands for an empty object.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: rest::Body> FromRequest<S> for Json<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, _: &S) -> Result<Json<T>, ProblemResponse> {
        let (head, body) = request.into_parts();
        let body = read_bounded(&head.headers, body).await?;
        Ok(Json(parse(&head.headers, &body)?))
    }
}

fn parse<T: rest::Body>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    if !body.is_empty() {
        media_type(headers, &[JSON])?;
    }
    rest::parse_body(body).map_err(name_missing)
}

/// The derived readers say only in words which field is missing.
fn name_missing(problem: Problem) -> Problem {
    let missing = problem.detail.strip_prefix("missing field `");
    let Some((name, _)) = missing.and_then(|rest| rest.split_once('`')) else {
        return problem;
    };
    let field = match &problem.field {
        Some(place) => format!("{place}.{name}"),
        None => name.to_owned(),
    };
    problem.field(field)
}

/// Query parameters.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: rest::Query> FromRequestParts<S> for Query<T> {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, ProblemResponse> {
        Ok(Query(T::parse(parts.uri.query())?))
    }
}

/// A route without query parameters.
pub(super) type NoQuery = Query<rest::NoQuery>;

/// Named parts of the path.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, ProblemResponse> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(rejection) => {
                let problem = Problem::new(Code::InvalidField, rejection.body_text());
                Err(problem.field("path").into())
            }
        }
    }
}

/// How a call is made repeatable.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "it only describes the header, which `request_id` reads"
)]
pub(super) struct IdempotencyKey {
    /// Made before the first try: for ten minutes the same one answers the same.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    key: Option<String>,
}

/// The number of a request id; none when the header is not there.
fn request_id(headers: &HeaderMap) -> Result<Option<u128>, Problem> {
    let Some(value) = headers.get(REQUEST_ID) else {
        return Ok(None);
    };
    let text = value.as_bytes();
    if (1..=NAME_BYTES).contains(&text.len()) {
        return Ok(Some(crate::convert::hash(text)));
    }
    let limit = format!("1 to {NAME_BYTES} bytes");
    let detail = format!("Idempotency-Key must be {limit}");
    let problem = Problem::new(Code::InvalidField, detail).field("Idempotency-Key");
    Err(problem.limit(limit).got(format!("{} bytes", text.len())))
}

/// The request id of a submission, as submissions carry it: 16 bytes, or none.
pub(super) struct RequestId(pub(super) Vec<u8>);

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<RequestId, ProblemResponse> {
        let id = request_id(&parts.headers)?;
        Ok(RequestId(
            id.map_or_else(Vec::new, |id| id.to_be_bytes().to_vec()),
        ))
    }
}

/// A request that changes something other than by submitting.
pub(super) struct Change<T> {
    pub(super) body: T,
    pub(super) once: Once,
}

/// Names the caller on record, and makes a command repeatable, if the request has an id.
#[derive(Clone)]
pub(super) struct Once {
    actor: String,
    request: Option<engine::Request>,
}

impl Once {
    fn of(head: &Parts, bytes: &[u8]) -> Result<Once, Problem> {
        let id = request_id(&head.headers)?;
        let asked = [
            head.method.as_str().as_bytes(),
            head.uri.path().as_bytes(),
            bytes,
        ];
        let content = crate::convert::hash(&asked.join(&b' '));
        Ok(Once {
            actor: Caller::of(&head.extensions)?.actor(),
            request: id.map(|id| engine::Request { id, content }),
        })
    }

    /// The command as it is carried out at most once.
    pub(super) fn wrap(self, command: engine::Command) -> engine::Command {
        let request = self.request;
        let command = self.name(command);
        match request {
            None => command,
            Some(request) => {
                let command = Box::new(command);
                engine::Command::Once { request, command }
            }
        }
    }

    /// The command with who asks for it. It carries its request id itself, or has none.
    pub(super) fn name(self, command: engine::Command) -> engine::Command {
        let command = Box::new(command);
        let actor = self.actor;
        engine::Command::By { actor, command }
    }

    /// The same for one of several commands that a request asks for.
    pub(super) fn part(&self, index: usize) -> Once {
        let part = |hash: u128| crate::convert::hash(format!("{hash} {index}").as_bytes());
        Once {
            actor: self.actor.clone(),
            request: self.request.map(|request| engine::Request {
                id: part(request.id),
                content: part(request.content),
            }),
        }
    }

    /// The same caller without a request id.
    pub(super) fn unnamed(&self) -> Once {
        Once {
            actor: self.actor.clone(),
            request: None,
        }
    }

    /// The request id, with the hash of what is asked.
    pub(super) fn request(&self) -> Option<engine::Request> {
        self.request
    }

    /// Whether the request has an id.
    pub(super) fn is_named(&self) -> bool {
        self.request.is_some()
    }
}

impl<S: Send + Sync, T: rest::Body> FromRequest<S> for Change<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, _: &S) -> Result<Change<T>, ProblemResponse> {
        let (head, body) = request.into_parts();
        let bytes = read_bounded(&head.headers, body).await?;
        let once = Once::of(&head, &bytes)?;
        let body = parse(&head.headers, &bytes)?;
        Ok(Change { body, once })
    }
}

/// A definition: a document in JSON or YAML, or, in JSON, a text that is one.
pub(super) struct Definition {
    pub(super) text: String,
    pub(super) once: Once,
}

impl<S: Send + Sync> FromRequest<S> for Definition {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, _: &S) -> Result<Definition, ProblemResponse> {
        let (head, body) = request.into_parts();
        let media_type = media_type(&head.headers, &[JSON, YAML])?;
        let bytes = read_bounded(&head.headers, body).await?;
        let once = Once::of(&head, &bytes)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let detail = format!("the body is not UTF-8: {error}");
            Problem::new(Code::MalformedJson, detail)
        })?;
        // A text in JSON keeps the lines of the document that it was made from.
        let quoted = media_type == JSON && text.trim_start().starts_with('"');
        let text = match quoted.then(|| serde_json::from_str::<String>(text)) {
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                return Err(Problem::new(Code::MalformedJson, error.to_string()).into());
            }
            None => text.to_owned(),
        };
        Ok(Definition { text, once })
    }
}

/// Where a request comes from, when the listener says so.
pub(super) struct Peer(pub(super) Option<SocketAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Peer, Self::Rejection> {
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Peer(info.map(|ConnectInfo(address)| *address)))
    }
}

/// Reads a body of one of the given media types, and says of which it is.
pub(super) async fn read_body(
    request: Request,
    accepted: &[&'static str],
) -> Result<(&'static str, Bytes), Problem> {
    let (head, body) = request.into_parts();
    let media_type = media_type(&head.headers, accepted)?;
    Ok((media_type, read_bounded(&head.headers, body).await?))
}

/// The media type of a body, when it is one of those accepted.
fn media_type(headers: &HeaderMap, accepted: &[&'static str]) -> Result<&'static str, Problem> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or_default());
    let given = given.unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    let known = accepted
        .iter()
        .find(|known| essence.eq_ignore_ascii_case(known));
    known.copied().ok_or_else(|| {
        let expected = accepted.join(" or ");
        let detail = format!("the body must be {expected}, got {given:?}");
        let problem = Problem::new(Code::UnsupportedMediaType, detail);
        problem.field("Content-Type").limit(expected).got(given)
    })
}

/// Reads a body that is not compressed and not too large.
async fn read_bounded(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    let encoding = encoding.map_or("identity", |value| value.to_str().unwrap_or("unreadable"));
    if !encoding.eq_ignore_ascii_case("identity") {
        let detail = format!("bodies are taken as they are, not with the encoding {encoding:?}");
        let problem = Problem::new(Code::UnsupportedMediaType, detail);
        return Err(problem
            .field("Content-Encoding")
            .limit("identity")
            .got(encoding));
    }
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse::<usize>().ok());
    if let Some(length) = length.filter(|length| *length > REQUEST_BYTES) {
        return Err(too_large().got(format!("{length} bytes")));
    }
    axum::body::to_bytes(body, REQUEST_BYTES)
        .await
        .map_err(|error| {
            let cause = std::error::Error::source(&error);
            match cause.is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>()) {
                true => too_large(),
                false => Problem::new(Code::MalformedJson, format!("the body broke off: {error}")),
            }
        })
}

fn too_large() -> Problem {
    let detail = format!("the body is larger than {REQUEST_BYTES} bytes");
    let problem = Problem::new(Code::RequestTooLarge, detail);
    problem
        .limit(format!("{REQUEST_BYTES} bytes"))
        .hint("split it into smaller requests")
}

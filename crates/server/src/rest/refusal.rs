//! Refusals as HTTP sees them: problem documents (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use capataz_api::problem::{Code, MEDIA_TYPE, Problem};
use capataz_api::spec::SpecError;

use crate::problem::ToProblem;
use crate::store::{BodyError, ReadError};

/// A refusal on its way to a client.
#[derive(Debug)]
pub(crate) struct ProblemResponse(pub Problem);

/// What a handler answers with.
pub(super) type Answer<T> = Result<T, ProblemResponse>;

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let ProblemResponse(problem) = self;
        let status = StatusCode::from_u16(problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, problem.to_json()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl<E: ToProblem> From<E> for ProblemResponse {
    fn from(error: E) -> ProblemResponse {
        ProblemResponse(error.to_problem())
    }
}

impl ToProblem for Problem {
    fn to_problem(&self) -> Problem {
        self.clone()
    }
}

impl ToProblem for SpecError {
    fn to_problem(&self) -> Problem {
        self.clone().into()
    }
}

impl ToProblem for ReadError {
    fn to_problem(&self) -> Problem {
        unreadable(self)
    }
}

impl ToProblem for BodyError {
    fn to_problem(&self) -> Problem {
        unreadable(self)
    }
}

/// What SQLite says is for the operator's log: the caller cannot do anything about it.
fn unreadable(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "the store could not be read");
    Problem::new(
        Code::Internal,
        "the store could not be read; the server's log says why",
    )
}

/// A refusal of something that is not there.
pub(super) fn not_found(what: &str, name: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no {what} {name:?}")).got(name)
}

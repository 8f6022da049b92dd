//! Why a call did not do what it was asked to.

use std::path::PathBuf;
use std::time::Duration;

use super::{DEFAULT_SERVER, Ids, TOKEN_FILE};
use crate::problem::{Code, Problem};
use crate::rest::Waited;
use crate::spec::SpecError;

/// A failed call.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection came about: nothing was sent.
    #[error("no server answers at {url}: {cause}")]
    Unreachable {
        /// The server.
        url: String,
        /// What the last try met.
        cause: String,
    },
    /// The request was sent and no answer came: it may or may not have been carried out.
    #[error("the server at {url} did not answer: {cause}")]
    NoAnswer {
        /// The server.
        url: String,
        /// What the last try met.
        cause: String,
    },
    /// The master of this process is closed, or has failed. What was under way may or may not have
    /// been carried out; nothing will be from now on.
    #[error("the master of this process does not answer any more: {cause}")]
    Closed {
        /// What it says.
        cause: String,
    },
    /// The server refused, or would have: some things are checked before they are sent.
    #[error("{0}")]
    Refused(Problem),
    /// The answer is not what a Capataz server says.
    #[error("the answer of {url} is not that of a Capataz server: {what}")]
    Protocol {
        /// The server.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// What was waited for did not end in time.
    #[error("not done after {after:?}: {} of {} remain", waited.remaining, waited.counts.total())]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
        /// How far it is.
        waited: Box<Waited>,
    },
    /// A large submission was split, and only its first parts were accepted.
    #[error("{} tasks were accepted, then: {cause}", accepted.len())]
    Incomplete {
        /// The tasks that were accepted.
        accepted: Ids,
        /// Why the next ones were not.
        cause: Box<ClientError>,
    },
    /// No URL of a server.
    #[error("{got:?} is not the URL of a server: {reason}")]
    BadUrl {
        /// What came.
        got: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nobody can vouch for a server whose URL is `https`.
    #[error("the server at {url} cannot be trusted: {cause}")]
    Trust {
        /// The server.
        url: String,
        /// What is missing or broken.
        cause: String,
    },
    /// A token or namespace that cannot be sent.
    #[error("the {what} contains characters that no header can carry")]
    BadHeader {
        /// Which of them.
        what: &'static str,
    },
    /// The file with the token cannot be read.
    #[error("the token file {} cannot be read: {cause}", path.display())]
    TokenFile {
        /// Which.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
}

impl From<SpecError> for ClientError {
    fn from(error: SpecError) -> ClientError {
        ClientError::Refused(error.into())
    }
}

impl ClientError {
    /// What to do about it, in one sentence.
    pub fn hint(&self) -> Option<String> {
        match self {
            ClientError::Unreachable { cause, .. } if cause.contains("certificate") => {
                Some("--tls-ca or CAPATAZ_TLS_CA names the certificates to trust".to_owned())
            }
            ClientError::Unreachable { .. } => Some(
                "start one with `capataz serve`, or name another with --server or CAPATAZ_SERVER"
                    .to_owned(),
            ),
            ClientError::NoAnswer { .. } => {
                Some("ask again with the same request id or dedup key to be sure".to_owned())
            }
            ClientError::Closed { .. } => Some("open it again, and take its new client".to_owned()),
            ClientError::Refused(problem) => hint_for(problem),
            ClientError::Protocol { .. } => {
                Some("check that the URL names a Capataz server of this version".to_owned())
            }
            ClientError::TimedOut { .. } => None,
            ClientError::Incomplete { cause, .. } => cause.hint(),
            ClientError::BadUrl { .. } => Some(format!("a URL looks like {DEFAULT_SERVER}")),
            ClientError::Trust { .. } => {
                Some("name the certificates to trust with --tls-ca or CAPATAZ_TLS_CA".to_owned())
            }
            ClientError::BadHeader { .. } => None,
            ClientError::TokenFile { .. } => Some("name the token with CAPATAZ_TOKEN".to_owned()),
        }
    }

    /// The refusal, when it is one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            ClientError::Refused(problem) => Some(problem),
            ClientError::Incomplete { cause, .. } => cause.problem(),
            _ => None,
        }
    }

    /// The code of the refusal, when it is one of this version.
    pub fn code(&self) -> Option<Code> {
        self.problem().and_then(|problem| problem.kind())
    }
}

/// The problem's own hint, else what usually helps.
fn hint_for(problem: &Problem) -> Option<String> {
    let usual = || match problem.kind()? {
        Code::Unauthorized => Some(format!(
            "set CAPATAZ_TOKEN, or run where {TOKEN_FILE} is; `serve` writes it into its data \
             directory"
        )),
        Code::Forbidden => Some("use a token of another role or namespace".to_owned()),
        Code::DedupConflict => {
            Some("use another dedup key, or send the same request as before".to_owned())
        }
        Code::Full => Some("wait until some tasks have ended, or raise the limit".to_owned()),
        Code::StorageFull => Some("free space on the server's disk or raise its quota".to_owned()),
        _ => None,
    };
    problem.hint.clone().or_else(usual)
}

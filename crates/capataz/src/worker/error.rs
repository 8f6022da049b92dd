//! What a handler says when it has no result.

use std::time::Duration;

/// Why there is no result. Every error converts into one that may be retried, so that `?` works on
/// all of them; that is why this type is no `std::error::Error` itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandlerError {
    /// It failed, and a further attempt may do better.
    Retryable(String),
    /// It failed, and no further attempt can help.
    Fatal(String),
    /// It did not fail: the task is to come back after this time. Its slot is free meanwhile.
    Again(Duration),
}

impl HandlerError {
    /// A failure that a further attempt may mend.
    pub fn retryable(message: impl Into<String>) -> HandlerError {
        HandlerError::Retryable(message.into())
    }

    /// A failure that no further attempt can mend.
    pub fn fatal(message: impl Into<String>) -> HandlerError {
        HandlerError::Fatal(message.into())
    }

    /// The task is to come back after this time: its work runs elsewhere, or is not due yet.
    pub fn again(after: Duration) -> HandlerError {
        HandlerError::Again(after)
    }
}

impl<E: std::error::Error> From<E> for HandlerError {
    fn from(error: E) -> HandlerError {
        HandlerError::retryable(error.to_string())
    }
}

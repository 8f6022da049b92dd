//! What a handler is given, and what it may answer.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::running::Control;
use crate::executor::Assignment;
use crate::logs::Stream;

/// A handler's work, boxed so that handlers of all kinds fit one table.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Result<Answer, HandlerError>> + Send>>;

/// Runs attempts of a group. Async functions from [`Attempt`] to a `Result` are handlers.
pub trait Handler: Send + Sync + 'static {
    /// Begins the work of one attempt; it is dropped where it stands when the attempt is stopped.
    fn call(&self, attempt: Attempt) -> HandlerFuture;
}

impl<F, Work, A, E> Handler for F
where
    F: Fn(Attempt) -> Work + Send + Sync + 'static,
    Work: Future<Output = Result<A, E>> + Send + 'static,
    A: Into<Answer>,
    E: Into<HandlerError>,
{
    fn call(&self, attempt: Attempt) -> HandlerFuture {
        let work = self(attempt);
        Box::pin(async move { work.await.map(Into::into).map_err(Into::into) })
    }
}

/// What a handler that did not fail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, and there is no output.
    Nothing,
    /// Done, with this output.
    Output(Bytes),
    /// Not done: the task is to come back after this time.
    Again(Duration),
}

impl From<()> for Answer {
    fn from((): ()) -> Answer {
        Answer::Nothing
    }
}

impl From<Bytes> for Answer {
    fn from(output: Bytes) -> Answer {
        Answer::Output(output)
    }
}

impl From<Vec<u8>> for Answer {
    fn from(output: Vec<u8>) -> Answer {
        Answer::Output(output.into())
    }
}

impl From<String> for Answer {
    fn from(output: String) -> Answer {
        Answer::Output(output.into())
    }
}

/// Why a handler failed. Every error converts into one that may be retried, so `?` works on all of
/// them; that is why this type is no `std::error::Error` itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerError {
    /// One sentence for a human.
    pub message: String,
    /// No retry can help.
    pub fatal: bool,
}

impl HandlerError {
    /// A failure that a retry may mend.
    pub fn new(message: impl Into<String>) -> HandlerError {
        HandlerError {
            message: message.into(),
            fatal: false,
        }
    }

    /// A failure that no retry can mend.
    pub fn fatal(message: impl Into<String>) -> HandlerError {
        HandlerError {
            message: message.into(),
            fatal: true,
        }
    }
}

impl<E: std::error::Error> From<E> for HandlerError {
    fn from(error: E) -> HandlerError {
        HandlerError::new(error.to_string())
    }
}

/// An attempt as its handler sees it: the [`Assignment`], and the ways to talk while it runs.
#[derive(Clone)]
pub struct Attempt {
    assignment: Arc<Assignment>,
    control: Arc<Control>,
}

impl Attempt {
    pub(super) fn new(assignment: Assignment, control: Arc<Control>) -> Attempt {
        Attempt {
            assignment: Arc::new(assignment),
            control,
        }
    }

    /// Whether the attempt was asked to end. It is dropped when its grace is over.
    pub fn is_cancelled(&self) -> bool {
        self.control.is_cancelled()
    }

    /// Waits until the attempt is asked to end.
    pub async fn cancelled(&self) {
        self.control.cancelled().await;
    }

    /// Prints to the attempt's logs. Bounded like a process's; nothing is printed after its end.
    pub fn log(&self, stream: Stream, text: impl AsRef<[u8]>) {
        self.control.log(stream, text.as_ref());
    }
}

impl Deref for Attempt {
    type Target = Assignment;

    fn deref(&self) -> &Assignment {
        &self.assignment
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("task", &self.task)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

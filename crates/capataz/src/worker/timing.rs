//! How long attempts take.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use capataz_worker::inline::{Answer, Attempt};
use tower::{Layer, Service};

use super::HandlerError;

/// One attempt's time.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The group.
    pub group: String,
    /// From the call to the answer.
    pub elapsed: Duration,
    /// What the answer was.
    pub ending: Ending,
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It did its work.
    Succeeded,
    /// It may be tried again.
    Failed,
    /// It failed for good.
    Fatal,
    /// It wants to be called again.
    Again,
    /// It did not come to an answer: it was stopped, or it panicked.
    Dropped,
}

type Observe = dyn Fn(Timing) + Send + Sync;

/// Measures every attempt and tells an observer, by default the log at level `debug`.
#[derive(Clone)]
pub struct TimingLayer {
    observe: Arc<Observe>,
}

impl TimingLayer {
    /// Tells this function, which must not block: the place for a histogram.
    pub fn new(observe: impl Fn(Timing) + Send + Sync + 'static) -> TimingLayer {
        TimingLayer {
            observe: Arc::new(observe),
        }
    }
}

impl Default for TimingLayer {
    fn default() -> TimingLayer {
        TimingLayer::new(|timing| {
            tracing::debug!(elapsed = ?timing.elapsed, ending = ?timing.ending, "attempt ended");
        })
    }
}

/// See [`TimingLayer`].
#[derive(Clone)]
pub struct TimingService<S> {
    inner: S,
    observe: Arc<Observe>,
}

impl<S> Layer<S> for TimingLayer {
    type Service = TimingService<S>;

    fn layer(&self, inner: S) -> TimingService<S> {
        TimingService {
            inner,
            observe: self.observe.clone(),
        }
    }
}

/// Tells the observer when it is dropped, so that attempts that are stopped count as well.
struct Watch {
    observe: Arc<Observe>,
    group: String,
    began: Instant,
    ending: Ending,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (elapsed, ending) = (self.began.elapsed(), self.ending);
        (self.observe)(Timing {
            group: std::mem::take(&mut self.group),
            elapsed,
            ending,
        });
    }
}

impl<S> Service<Attempt> for TimingService<S>
where
    S: Service<Attempt, Response = Answer, Error = HandlerError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = HandlerError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, HandlerError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), HandlerError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let watch = Watch {
            observe: self.observe.clone(),
            group: attempt.group.clone(),
            began: Instant::now(),
            ending: Ending::Dropped,
        };
        let work = self.inner.call(attempt);
        Box::pin(async move {
            // All of it is to live as long as the work, not only the field that is set.
            let mut watch = watch;
            let answer = work.await;
            watch.ending = match &answer {
                Ok(Answer::Again(_)) | Err(HandlerError::Again(_)) => Ending::Again,
                Ok(_) => Ending::Succeeded,
                Err(HandlerError::Retryable(_)) => Ending::Failed,
                Err(HandlerError::Fatal(_)) => Ending::Fatal,
            };
            answer
        })
    }
}

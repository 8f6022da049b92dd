//! A span around every attempt.

use std::task::{Context, Poll};

use capataz_worker::inline::Attempt;
use tower::{Layer, Service};
use tracing::instrument::{Instrument, Instrumented};

/// Puts a span named `attempt` around a handler, with the task, the attempt and the group: what
/// the handler logs can be found by its task.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer;

/// See [`TraceLayer`].
#[derive(Clone, Debug)]
pub struct TraceService<S> {
    inner: S,
}

impl<S> Layer<S> for TraceLayer {
    type Service = TraceService<S>;

    fn layer(&self, inner: S) -> TraceService<S> {
        TraceService { inner }
    }
}

impl<S: Service<Attempt>> Service<Attempt> for TraceService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let (task, number, group) = (&attempt.task, attempt.attempt, &attempt.group);
        let span = tracing::info_span!("attempt", task, attempt = number, group);
        // What the service does before it returns a future belongs to the span, too.
        let future = span.in_scope(|| self.inner.call(attempt));
        future.instrument(span)
    }
}

//! The worker of a benchmark: handlers that do nothing, so that the queue is what is measured.

use std::sync::Arc;

use capataz_worker::inline::{Answer, Attempt, HandlerError, Handlers, InlineExecutor};
use capataz_worker::session::{GrpcConnect, Session, SessionOptions};
use nix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;

use crate::running::WorkerError;
use crate::stop::Stops;

/// The group whose tasks are drained.
pub(crate) const DRAINED: &str = "bench-drained";

/// The group whose tasks say when they were submitted.
pub(crate) const TIMED: &str = "bench-timed";

/// Nanoseconds of the clock that both processes of this machine share.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every kernel has this clock");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

/// Runs tasks of both groups until it is told to stop.
pub(crate) async fn run(
    name: &str,
    slots: u32,
    url: &str,
    token: Option<&str>,
    mut stops: Stops,
) -> Result<(), WorkerError> {
    let handlers = Handlers::new()
        .group(DRAINED, async |_: Attempt| {
            Ok::<_, HandlerError>(Answer::Nothing)
        })
        .group(TIMED, timed);
    let executor = Arc::new(InlineExecutor::new(handlers, Handle::current()));
    let mut options = SessionOptions::new(name, name, [DRAINED, TIMED]);
    (options.pod_slots, options.concurrency) = (Some(slots), slots);
    let (session, handle) = Session::new(options, executor, GrpcConnect::new([url], token)?);
    let mut ended = std::pin::pin!(session.run());
    tokio::select! {
        ended = &mut ended => return Ok(ended?),
        () = stops.next() => handle.stop_now(),
    }
    Ok(ended.await?)
}

/// Answers how long ago its payload says it was submitted, in nanoseconds.
async fn timed(attempt: Attempt) -> Result<String, HandlerError> {
    let begun = now();
    let text = std::str::from_utf8(&attempt.payload)?;
    let submitted: u64 = text.parse()?;
    Ok(begun.saturating_sub(submitted).to_string())
}

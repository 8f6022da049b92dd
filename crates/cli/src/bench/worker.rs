//! The worker of a benchmark: handlers that do nothing, so that the queue is what is measured.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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

/// A worker, and what it does besides nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BenchWorkerOptions<'a> {
    /// Its name, and that of its pod.
    pub(crate) name: &'a str,
    /// The slots of its pod.
    pub(crate) slots: u32,
    /// The file to which it adds a line when an attempt begins, and one when it ends, so that
    /// others can tell what was executed without asking the server.
    pub(crate) record: Option<&'a Path>,
}

/// Runs tasks of both groups until it is told to stop.
pub(crate) async fn run(
    worker: BenchWorkerOptions<'_>,
    url: &str,
    token: Option<&str>,
    mut stops: Stops,
) -> Result<(), WorkerError> {
    let BenchWorkerOptions {
        name,
        slots,
        record,
    } = worker;
    let handlers = match record {
        Some(path) => recording(path, name)?,
        None => Handlers::new().group(DRAINED, async |_: Attempt| {
            Ok::<_, HandlerError>(Answer::Nothing)
        }),
    };
    let handlers = handlers.group(TIMED, timed);
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

/// Handlers that write down what they execute.
fn recording(path: &Path, worker: &str) -> io::Result<Handlers> {
    let file = Arc::new(File::options().create(true).append(true).open(path)?);
    let worker: Arc<str> = worker.into();
    Ok(Handlers::new().group(DRAINED, move |attempt: Attempt| {
        let (file, worker) = (file.clone(), worker.clone());
        async move {
            let line = |what| format!("{what} {} {worker} - {}\n", token(&attempt), now());
            // One write a line: lines of several processes never mix.
            (&*file).write_all(line("begin").as_bytes())?;
            tokio::time::sleep(length(&attempt)).await;
            (&*file).write_all(line("end").as_bytes())?;
            Ok::<_, HandlerError>(Answer::Nothing)
        }
    }))
}

/// How long to do nothing: as many milliseconds as the payload says.
fn length(attempt: &Attempt) -> Duration {
    let text = std::str::from_utf8(&attempt.payload).unwrap_or_default();
    Duration::from_millis(text.parse().unwrap_or_default())
}

/// Which try of which task.
fn token(attempt: &Attempt) -> String {
    format!("{} {}", attempt.task, attempt.attempt)
}

/// Answers how long ago its payload says it was submitted, in nanoseconds.
async fn timed(attempt: Attempt) -> Result<String, HandlerError> {
    let begun = now();
    let text = std::str::from_utf8(&attempt.payload)?;
    let submitted: u64 = text.parse()?;
    Ok(begun.saturating_sub(submitted).to_string())
}

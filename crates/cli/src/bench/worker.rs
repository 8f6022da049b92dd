//! The worker of a benchmark: handlers that do nothing, so that the queue is what is measured.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use capataz_worker::inline::{Answer, Attempt, HandlerError, Handlers, InlineExecutor};
use capataz_worker::session::{GrpcConnect, Session, SessionHandle, SessionOptions};
use nix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

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

/// The sessions of one process.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    /// The name of a single session and its pod; several add a number.
    pub(crate) name: String,
    /// What each session runs at once.
    pub(crate) slots: u32,
    /// Workers, as the server counts them.
    pub(crate) sessions: u32,
    /// Pods that the sessions are dealt to in turn.
    pub(crate) pods: u32,
    /// The groups that each serves.
    pub(crate) groups: Vec<String>,
    /// The file to which each adds a line when an attempt begins, and one when it ends, so that
    /// others can tell what was executed without asking the server.
    pub(crate) record: Option<PathBuf>,
}

impl Fleet {
    fn options(&self, number: u32) -> SessionOptions {
        let named = |number: u32, of: u32| match of {
            1 => self.name.clone(),
            _ => format!("{}-{number}", self.name),
        };
        let (name, pod) = (
            named(number, self.sessions),
            named(number % self.pods, self.pods),
        );
        let mut options = SessionOptions::new(name, pod, self.groups.clone());
        options.pod_slots = Some(self.slots * self.sessions.div_ceil(self.pods));
        options.concurrency = self.slots;
        options
    }
}

/// Runs tasks until it is told to stop.
pub(crate) async fn run(
    fleet: &Fleet,
    url: &str,
    token: Option<&str>,
    mut stops: Stops,
) -> Result<(), WorkerError> {
    let mut under_way = JoinSet::new();
    let mut handles = Vec::new();
    for number in 0..fleet.sessions {
        let connect = GrpcConnect::new([url], token)?;
        let options = fleet.options(number);
        let executor = executor(&options.name, fleet.record.as_deref())?;
        let (session, handle) = Session::new(options, executor, connect);
        under_way.spawn(session.run());
        handles.push(handle);
    }
    loop {
        tokio::select! {
            ended = under_way.join_next() => match ended {
                Some(ended) => ended??,
                None => return Ok(()),
            },
            () = stops.next() => handles.iter().for_each(SessionHandle::stop_now),
        }
    }
}

fn executor(worker: &str, record: Option<&Path>) -> io::Result<Arc<InlineExecutor>> {
    let handlers = match record {
        Some(path) => recording(path, worker)?,
        None => Handlers::new(),
    };
    let handlers = handlers
        .group(TIMED, timed)
        .fallback(async |_: Attempt| Ok::<_, HandlerError>(Answer::Nothing));
    Ok(Arc::new(InlineExecutor::new(handlers, Handle::current())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_dealt_to_pods_in_turn() {
        let mut fleet = Fleet {
            name: "f".to_owned(),
            slots: 2,
            sessions: 5,
            pods: 2,
            groups: vec!["g".to_owned()],
            record: None,
        };
        let fourth = fleet.options(3);
        assert_eq!((&*fourth.name, &*fourth.pod), ("f-3", "f-1"));
        assert_eq!((fourth.pod_slots, fourth.concurrency), (Some(6), 2));
        (fleet.sessions, fleet.pods) = (1, 1);
        let only = fleet.options(0);
        assert_eq!((&*only.name, &*only.pod), ("f", "f"));
    }
}

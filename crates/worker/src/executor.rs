//! The seam between a session and what runs its attempts.
//!
//! The contract, for every executor:
//! - [`Executor::start`] returns at once and never blocks, so a session may call it from its loop.
//! - Each started attempt is reported finished exactly once, whatever happens, and only when
//!   nothing of it is left: no process, no handler that still runs.
//! - An attempt whose lease passed its deadline is stopped by the executor itself, at once.
//! - No log of an attempt follows its finish.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::Boottime;
use crate::logs::LogChunk;
use crate::outcome::Finished;

/// The session's own number for an attempt: unique among those of one process.
///
/// The pair (task, attempt) is the token a master checks; this is the small key that executor and
/// session exchange instead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId(pub u64);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What one attempt is to do.
#[derive(Clone, Debug, Default)]
pub struct Assignment {
    /// The task's id, `"12"`, or of an array's element, `"12.3"`.
    pub task: String,
    /// Which try of the task this is, from 1.
    pub attempt: u32,
    /// The group the task was submitted to.
    pub group: String,
    /// The element's index when the task is an array.
    pub index: Option<u32>,
    /// The command the task brought; empty when it brought none. Never seen by a shell.
    pub argv: Vec<String>,
    /// The payload, as it is delivered: bytes of a string, or compact JSON.
    pub payload: Bytes,
    /// Variables the task adds to the environment of its process.
    pub env: Vec<(String, String)>,
    /// How long the attempt may run before it is told to stop; none means for ever.
    pub timeout: Option<Duration>,
    /// Where its output comes from.
    pub output: OutputMode,
    /// The task's tags.
    pub tags: Vec<String>,
    /// The task's meta data as compact JSON; empty when there is none.
    pub meta: String,
    /// 1 to 9, 9 most urgent.
    pub priority: u8,
}

/// Where a process's output comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputMode {
    /// The file `CAPATAZ_OUTPUT` when it was written, else stdout.
    #[default]
    Auto,
    /// The file `CAPATAZ_OUTPUT` only; no output when it was not written.
    File,
    /// Stdout only.
    Stdout,
    /// No output is kept.
    None,
}

/// Why and how an attempt is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody cancelled the task: ask it to end, and end it when `grace` has passed.
    Cancel {
        /// How long it may take to end by itself; zero ends it at once.
        grace: Duration,
    },
    /// The lease is gone, another worker may have the task soon: end it at once.
    LeaseLost,
}

/// Runs attempts in sandboxes of one kind.
pub trait Executor: Send + Sync + 'static {
    /// The kind of sandbox, as shown to users: `inline`, `process`.
    fn kind(&self) -> &'static str;

    /// Starts an attempt under a lease that lasts until `lease`.
    ///
    /// Every failure to start is a finish of the attempt too, reported to `reports`.
    fn start(
        &self,
        id: AttemptId,
        assignment: Assignment,
        lease: Boottime,
        reports: &Arc<dyn Reports>,
    );

    /// Moves the deadlines of `attempts` to `lease`; never backwards. Unknown ones are ignored: they
    /// have just finished. A heartbeat's answer names the attempts whose leases it renewed, with
    /// the deadline counted from when the heartbeat was sent.
    fn extend(&self, attempts: &[AttemptId], lease: Boottime);

    /// Stops an attempt. Ignored when it is unknown: its finish was reported already.
    fn stop(&self, id: AttemptId, stop: Stop);
}

/// Where an executor tells what happens to attempts. Calls must not block.
pub trait Reports: Send + Sync + 'static {
    /// The attempt printed something. Bounded per attempt by [`crate::LOG_BYTES_MAX`].
    fn log(&self, id: AttemptId, chunk: LogChunk);

    /// The attempt is over and nothing of it is left.
    fn finished(&self, id: AttemptId, finished: Finished);
}

/// What [`Reports`] tells, as a value: for sessions that want one channel for everything.
#[derive(Debug)]
pub enum Report {
    /// See [`Reports::log`].
    Log(AttemptId, LogChunk),
    /// See [`Reports::finished`].
    Finished(AttemptId, Box<Finished>),
}

/// A channel without a bound is bounded here by what the session started: one finish and at most
/// [`crate::LOG_BYTES_MAX`] of logs for each attempt.
impl Reports for UnboundedSender<Report> {
    fn log(&self, id: AttemptId, chunk: LogChunk) {
        // A closed channel means that the session is gone, and with it the reader of its logs.
        let _ = self.send(Report::Log(id, chunk));
    }

    fn finished(&self, id: AttemptId, finished: Finished) {
        let _ = self.send(Report::Finished(id, Box::new(finished)));
    }
}

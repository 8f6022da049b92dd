//! States and reasons: what a task's life looks like from outside.

use serde::{Deserialize, Serialize};

/// The state of a task or element. `docs/reference/states.md` lists every pair with [`Reason`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waits for other steps of its run.
    Blocked,
    /// Waits for a time.
    Scheduled,
    /// Waits for a worker.
    Queued,
    /// Leased to a worker.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Ended by request.
    Cancelled,
    /// A step whose conditions were not met.
    Skipped,
}

/// Why a task is in its [`Phase`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing to add.
    None,
    /// Scheduled: `delay` or `run_at`.
    Delayed,
    /// Scheduled: an attempt failed and the next waits for its backoff.
    Backoff,
    /// Scheduled: the attempt asked to come back later.
    Again,
    /// Queued again: the worker of the last attempt was lost.
    WorkerLost,
    /// Failed: the attempt reported an error or its process ended with one.
    Error,
    /// Failed: the attempt ran longer than its `timeout`.
    Timeout,
    /// Failed: not started before `expires_in` was over.
    Expired,
    /// Failed: the output is over its limit.
    OutputTooLarge,
    /// Failed: the worker may not run what the task asks for, or could not start it.
    CouldNotStart,
    /// Failed: the worker refused the task for good (a foreign payload, a fatal error).
    Fatal,
    /// Cancelled by a caller.
    Requested,
    /// Scheduled: the run that it is a step of is paused.
    Paused,
}

impl Phase {
    /// Whether the task can still change in this round.
    pub fn is_live(self) -> bool {
        matches!(
            self,
            Phase::Blocked | Phase::Scheduled | Phase::Queued | Phase::Running
        )
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Blocked => "blocked",
            Phase::Scheduled => "scheduled",
            Phase::Queued => "queued",
            Phase::Running => "running",
            Phase::Succeeded => "succeeded",
            Phase::Failed => "failed",
            Phase::Cancelled => "cancelled",
            Phase::Skipped => "skipped",
        }
    }

    /// Every state, in the order of a task's life.
    pub const ALL: [Phase; 8] = [
        Phase::Blocked,
        Phase::Scheduled,
        Phase::Queued,
        Phase::Running,
        Phase::Succeeded,
        Phase::Failed,
        Phase::Cancelled,
        Phase::Skipped,
    ];
}

impl Reason {
    /// The name on the wire; empty for [`Reason::None`].
    pub fn name(self) -> &'static str {
        match self {
            Reason::None => "",
            Reason::Delayed => "delayed",
            Reason::Backoff => "backoff",
            Reason::Again => "again_in",
            Reason::WorkerLost => "worker_lost",
            Reason::Error => "error",
            Reason::Timeout => "timeout",
            Reason::Expired => "expired",
            Reason::OutputTooLarge => "output_too_large",
            Reason::CouldNotStart => "could_not_start",
            Reason::Fatal => "fatal",
            Reason::Requested => "requested",
            Reason::Paused => "run_paused",
        }
    }

    /// Every reason.
    pub const ALL: [Reason; 13] = [
        Reason::None,
        Reason::Delayed,
        Reason::Backoff,
        Reason::Again,
        Reason::WorkerLost,
        Reason::Error,
        Reason::Timeout,
        Reason::Expired,
        Reason::OutputTooLarge,
        Reason::CouldNotStart,
        Reason::Fatal,
        Reason::Requested,
        Reason::Paused,
    ];
}

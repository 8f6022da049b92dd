//! States and reasons of runs and their steps. `docs/reference/run-semantics.md` lists every pair.

use serde::{Deserialize, Serialize};

use crate::reason::{Phase, Reason};

/// The state of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// Waits until it may begin.
    Queued,
    /// Under way.
    Running,
    /// Every step ended, and none of them badly, but where that is allowed.
    Succeeded,
    /// A step ended badly.
    Failed,
    /// Ended by request.
    Cancelled,
}

/// Why a run is in its state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunReason {
    /// Nothing to add.
    None,
    /// Queued: as many runs of its workflow as may be are under way.
    MaxRuns,
    /// Queued: another run holds its conflict key.
    Conflict,
    /// Queued: the last runs of its workflow failed.
    Backoff,
    /// Running, but no step starts: an operator paused it.
    Paused,
    /// Failed: a step did.
    StepFailed,
    /// Failed: what it was to repeat with, or its result, could not be worked out.
    Template,
    /// Cancelled by a caller.
    Requested,
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StepOutcome {
    /// Succeeded, failed, cancelled or skipped.
    pub phase: Phase,
    /// Why.
    pub reason: StepReason,
}

/// Why a step ended as it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StepReason {
    /// Its task ended so, for this reason.
    Task(Reason),
    /// Failed: elements of it did, so many.
    Elements(u32),
    /// Failed: an expression or a template of it could not be worked out.
    Template,
    /// Skipped: its own condition said no.
    Condition,
    /// Skipped: this step, by number, did not end as it had to.
    Upstream(u32),
    /// Cancelled with its run.
    RunCancelled,
}

impl RunPhase {
    /// Whether the run is not over.
    pub fn is_live(self) -> bool {
        matches!(self, RunPhase::Queued | RunPhase::Running)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            RunPhase::Queued => "queued",
            RunPhase::Running => "running",
            RunPhase::Succeeded => "succeeded",
            RunPhase::Failed => "failed",
            RunPhase::Cancelled => "cancelled",
        }
    }

    /// Every state, in the order of a run's life.
    pub const ALL: [RunPhase; 5] = [
        RunPhase::Queued,
        RunPhase::Running,
        RunPhase::Succeeded,
        RunPhase::Failed,
        RunPhase::Cancelled,
    ];
}

impl RunReason {
    /// The name on the wire; empty for [`RunReason::None`].
    pub fn name(self) -> &'static str {
        match self {
            RunReason::None => "",
            RunReason::MaxRuns => "max_runs",
            RunReason::Conflict => "conflict",
            RunReason::Backoff => "backoff",
            RunReason::Paused => "paused",
            RunReason::StepFailed => "step_failed",
            RunReason::Template => "template",
            RunReason::Requested => "requested",
        }
    }
}

impl StepReason {
    /// The name on the wire; empty when there is nothing to add.
    pub fn name(self) -> &'static str {
        match self {
            StepReason::Task(reason) => reason.name(),
            StepReason::Elements(_) => "element_failed",
            StepReason::Template => "template",
            StepReason::Condition => "condition",
            StepReason::Upstream(_) => "upstream",
            StepReason::RunCancelled => "run_cancelled",
        }
    }
}

impl StepOutcome {
    /// It did what it was for.
    pub const SUCCEEDED: StepOutcome = StepOutcome {
        phase: Phase::Succeeded,
        reason: StepReason::Task(Reason::None),
    };

    /// Whether it ended badly.
    pub fn is_bad(self) -> bool {
        matches!(self.phase, Phase::Failed | Phase::Cancelled)
    }
}

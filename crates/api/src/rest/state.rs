//! States of tasks, and how many tasks are in each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of a task or element. `docs/reference/states.md` lists them with their reasons.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
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

/// A text that is no state.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "expected one of blocked, scheduled, queued, running, succeeded, failed, cancelled, skipped; \
     got {got:?}"
)]
pub struct ParseStateError {
    /// What came.
    pub got: String,
}

impl TaskState {
    /// Every state, in the order of a task's life.
    pub const ALL: [TaskState; 8] = [
        TaskState::Blocked,
        TaskState::Scheduled,
        TaskState::Queued,
        TaskState::Running,
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Cancelled,
        TaskState::Skipped,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            TaskState::Blocked => "blocked",
            TaskState::Scheduled => "scheduled",
            TaskState::Queued => "queued",
            TaskState::Running => "running",
            TaskState::Succeeded => "succeeded",
            TaskState::Failed => "failed",
            TaskState::Cancelled => "cancelled",
            TaskState::Skipped => "skipped",
        }
    }

    /// Whether the task can still change in this round.
    pub const fn is_live(self) -> bool {
        matches!(
            self,
            TaskState::Blocked | TaskState::Scheduled | TaskState::Queued | TaskState::Running
        )
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TaskState {
    type Err = ParseStateError;

    /// Takes the American spelling `canceled` too.
    fn from_str(text: &str) -> Result<TaskState, ParseStateError> {
        if text == "canceled" {
            return Ok(TaskState::Cancelled);
        }
        let found = TaskState::ALL.into_iter().find(|s| s.as_str() == text);
        found.ok_or_else(|| ParseStateError { got: text.into() })
    }
}

/// How many tasks are in each state; elements of arrays count one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Counts {
    /// Waiting for other steps.
    pub blocked: u64,
    /// Waiting for a time.
    pub scheduled: u64,
    /// Waiting for a worker.
    pub queued: u64,
    /// Leased to a worker.
    pub running: u64,
    /// Ended well.
    pub succeeded: u64,
    /// Ended badly.
    pub failed: u64,
    /// Ended by request.
    pub cancelled: u64,
    /// Steps whose conditions were not met.
    pub skipped: u64,
}

impl Counts {
    /// The number of tasks in a state.
    pub const fn get(&self, state: TaskState) -> u64 {
        match state {
            TaskState::Blocked => self.blocked,
            TaskState::Scheduled => self.scheduled,
            TaskState::Queued => self.queued,
            TaskState::Running => self.running,
            TaskState::Succeeded => self.succeeded,
            TaskState::Failed => self.failed,
            TaskState::Cancelled => self.cancelled,
            TaskState::Skipped => self.skipped,
        }
    }

    /// The number of tasks in a state, to change it.
    pub const fn get_mut(&mut self, state: TaskState) -> &mut u64 {
        match state {
            TaskState::Blocked => &mut self.blocked,
            TaskState::Scheduled => &mut self.scheduled,
            TaskState::Queued => &mut self.queued,
            TaskState::Running => &mut self.running,
            TaskState::Succeeded => &mut self.succeeded,
            TaskState::Failed => &mut self.failed,
            TaskState::Cancelled => &mut self.cancelled,
            TaskState::Skipped => &mut self.skipped,
        }
    }

    /// Tasks that can still change.
    pub fn live(&self) -> u64 {
        self.sum(TaskState::is_live)
    }

    /// Tasks that have ended.
    pub fn ended(&self) -> u64 {
        self.sum(|state| !state.is_live())
    }

    /// All tasks.
    pub fn total(&self) -> u64 {
        self.sum(|_| true)
    }

    fn sum(&self, counted: impl Fn(TaskState) -> bool) -> u64 {
        let states = TaskState::ALL.into_iter().filter(|state| counted(*state));
        states.map(|state| self.get(state)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back_in_both_spellings() {
        for state in TaskState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(
                serde_json::to_value(state).ok(),
                Some(state.as_str().into())
            );
        }
        assert_eq!("canceled".parse(), Ok(TaskState::Cancelled));
        assert!("Queued".parse::<TaskState>().is_err());
    }

    #[test]
    fn counts_add_up() {
        let mut counts = Counts::default();
        for (n, state) in (1..).zip(TaskState::ALL) {
            *counts.get_mut(state) = n;
        }
        assert_eq!(
            (counts.live(), counts.ended(), counts.total()),
            (10, 26, 36)
        );
    }
}

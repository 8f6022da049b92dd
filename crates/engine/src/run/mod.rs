//! Runs as they are asked for and as they are recorded.

mod ask;
mod outcome;

pub use ask::{Begin, Closing, NewRun, Reopening, RunKey, StartRun, Which};
pub use outcome::{RunPhase, RunReason, StepOutcome, StepReason};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A run. Its number comes from the same counter as those of tasks: its place in accept order is
/// the place of all its steps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RunId(pub u64);

/// A text that is no run's id.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a run's id is \"r\" and a number, such as r17, got {got:?}")]
pub struct ParseRunIdError {
    got: String,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl FromStr for RunId {
    type Err = ParseRunIdError;

    fn from_str(text: &str) -> Result<RunId, ParseRunIdError> {
        let number = text.strip_prefix('r').filter(|digits| {
            digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
        });
        let number = number.and_then(|digits| digits.parse().ok());
        number.map(RunId).ok_or_else(|| ParseRunIdError {
            got: text.chars().take(40).collect(),
        })
    }
}

//! Submitting tasks and changing them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Body;
use crate::limits;
use crate::spec::{Flaw, SpecError, TaskSpec};

/// Many tasks, all accepted or none. Read by [`crate::spec::parse_tasks`], which also takes the
/// list alone.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Submission {
    /// The tasks.
    #[schema(min_items = 1, max_items = 10000)]
    pub tasks: Vec<TaskSpec>,
}

/// A task was accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// Its id.
    pub id: String,
    /// The store shows it once it has reached this position.
    pub position: u64,
}

/// Tasks were accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SubmittedBatch {
    /// Their ids, in the order of the submission.
    pub ids: Vec<String>,
    /// The store shows them once it has reached this position.
    pub position: u64,
}

/// A change was accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// The store shows it once it has reached this position.
    pub position: u64,
}

/// A request that has nothing to say.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoBody {}

impl Body for NoBody {}

/// Cancels a task.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// Why, for the audit trail; up to 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Body for CancelRequest {
    fn check(&self) -> Result<(), SpecError> {
        check_message("note", self.note.as_deref())
    }
}

/// Refuses a text for people that is longer than [`limits::MESSAGE_BYTES`].
pub(super) fn check_message(field: &str, text: Option<&str>) -> Result<(), SpecError> {
    match text.map_or(0, str::len) {
        got if got > limits::MESSAGE_BYTES => {
            let (limit, unit) = (limits::MESSAGE_BYTES, "bytes");
            Err(SpecError::new(field, Flaw::TooLarge { limit, got, unit }))
        }
        _ => Ok(()),
    }
}

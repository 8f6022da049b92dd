//! Starting many runs with one call.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, StartRunRequest};
use crate::limits;
use crate::problem::{Document, Problem};
use crate::spec::{Flaw, SpecError};

/// Starts runs, each as `POST /runs` does.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRunsRequest {
    /// The runs.
    #[schema(min_items = 1, max_items = 1000)]
    pub runs: Vec<StartRunRequest>,
}

impl Body for StartRunsRequest {
    fn check(&self) -> Result<(), SpecError> {
        let (limit, got, unit) = (limits::BATCH_RUNS, self.runs.len(), "runs");
        match got {
            0 => return Err(SpecError::new("runs", Flaw::Empty)),
            _ if got > limit => {
                return Err(SpecError::new("runs", Flaw::TooLarge { limit, got, unit }));
            }
            _ => {}
        }
        for (index, run) in self.runs.iter().enumerate() {
            run.check().map_err(|error| SpecError {
                field: format!("runs[{index}].{}", error.field),
                ..error
            })?;
        }
        Ok(())
    }
}

/// What came of each run that was to be started, in their order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunsStarted {
    /// The runs.
    pub runs: Vec<RunOutcome>,
    /// The store shows those that were started once it has reached this position.
    pub position: u64,
}

/// A run that was started, or why it was not.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RunOutcome {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Document>)]
    pub problem: Option<Problem>,
}

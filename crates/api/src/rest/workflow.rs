//! Workflows and their versions.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Query;
use super::query::{Params, QueryText};
use crate::limits;
use crate::problem::Problem;
use crate::timestamp::Timestamp;

/// A workflow, as lists show it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Workflow {
    /// Its name.
    pub name: String,
    /// The version that new runs follow; null when it is not registered any more.
    pub version: Option<u32>,
    /// When that version came.
    pub registered_at: Option<Timestamp>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its steps.
    pub steps: u32,
    /// Runs under way.
    pub running: u32,
    /// Runs that wait for their turn.
    pub waiting: u32,
    /// Tasks of its steps that wait or run.
    pub tasks: u32,
    /// Runs under way at once, at the most.
    pub max_runs: Option<u32>,
    /// Tasks of its steps that wait or run at once, at the most.
    pub max_steps: Option<u32>,
    /// Runs that failed in a row.
    pub failures: u32,
    /// New runs wait until then, because so many failed.
    pub held_until: Option<Timestamp>,
}

/// A workflow with its definition and its versions.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkflowDetail {
    /// The workflow.
    #[serde(flatten)]
    pub workflow: Workflow,
    /// The definition of the version that new runs follow, or else of the last one. Its schema is
    /// at `/api/v1/workflows:schema`.
    #[schema(value_type = Object)]
    pub definition: serde_json::Value,
    /// Its last versions, the newest first.
    pub versions: Vec<WorkflowVersion>,
    /// Where the store was when this was read.
    pub position: u64,
}

/// A version of a workflow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkflowVersion {
    /// Its number, from 1.
    pub version: u32,
    /// The hash of its definition: the same definition is the same version.
    pub content: String,
    /// When it came.
    pub stored_at: Timestamp,
    /// Runs that followed it, as far as they are kept.
    pub runs: u64,
}

/// A workflow was registered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkflowPut {
    /// Its name.
    pub name: String,
    /// The number of its version: the same as before for the same definition.
    pub version: u32,
    /// The store shows it once it has reached this position.
    pub position: u64,
}

/// What came of checking a definition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkflowChecked {
    /// Whether it can be registered.
    pub valid: bool,
    /// The name that it gives itself, when it is valid.
    pub name: Option<String>,
    /// Its steps, when it is valid.
    pub steps: Option<u32>,
    /// What is wrong with it, in the order of the document.
    pub flaws: Vec<WorkflowFlaw>,
    /// Flaws that were found beyond those.
    pub more: usize,
}

/// One thing that is wrong with a definition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkflowFlaw {
    /// The line of the text, from 1; 0 for what was no text, or is not in it.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// Where in the document, such as `steps[3].after[0]`.
    pub path: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A page of workflows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkflowPage {
    /// The workflows.
    pub items: Vec<Workflow>,
    /// Where the next page begins; null on the last one.
    pub cursor: Option<String>,
}

/// Which workflows to list.
#[derive(Clone, PartialEq, Eq, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WorkflowsQuery {
    /// Items of a page; default 100.
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<usize>,
    /// The `cursor` of the page before.
    pub cursor: Option<String>,
    /// Wait until the store has reached this position.
    pub position: Option<u64>,
}

impl Query for WorkflowsQuery {
    const NAMES: &'static [&'static str] = &["limit", "cursor", "position"];

    fn read(params: &mut Params) -> Result<WorkflowsQuery, Problem> {
        Ok(WorkflowsQuery {
            limit: params.number("limit", 1, limits::LIST_LIMIT)?,
            cursor: params.text("cursor"),
            position: params.parsed("position", "a position")?,
        })
    }

    fn write(&self, out: &mut QueryText) {
        out.add("limit", self.limit);
        out.add("cursor", self.cursor.as_ref());
        out.add("position", self.position);
    }
}

//! Runs, their steps, and lists of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::query::{Params, QueryText};
use super::{Counts, Query, TaskState};
use crate::limits;
use crate::problem::Problem;
use crate::timestamp::Timestamp;

/// A run, as lists show it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Such as `r17`.
    pub id: String,
    /// Its workflow.
    pub workflow: String,
    /// The version that it follows, whatever is registered meanwhile.
    pub version: u32,
    /// Its state: `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub state: TaskState,
    /// Why it is in that state; null when there is nothing to add.
    pub reason: Option<String>,
    /// A caller cancelled it, and its end is on its way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancelling: bool,
    /// 1, and one more each time that it is opened again.
    pub round: u32,
    /// 1 to 9, 9 most urgent.
    pub priority: u32,
    /// Its labels.
    pub tags: Vec<String>,
    /// The client's key for it.
    pub key: Option<String>,
    /// Of the runs of a workflow with the same conflict key one lives at a time.
    pub conflict_key: Option<String>,
    /// The run that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<String>,
    /// How many runs came before it by repetition.
    pub repetition: u32,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// When it was first under way.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How many of its steps are where; those that were started and have not ended are `running`.
    pub counts: Counts,
    /// Why it was cancelled, or what went wrong, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A run with its steps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunDetail {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// Its parameters, defaults included.
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// Its message as its steps have altered it; with `at`, the one that it began with.
    #[schema(value_type = Object)]
    pub message: Option<Value>,
    /// What it returned, once it has succeeded.
    #[schema(value_type = Object)]
    pub result: Option<Value>,
    /// Its steps, in the order of the definition.
    pub steps: Vec<RunStep>,
    /// Where its next steps begin: ask again with it as `step_cursor`. Null when these are the last.
    pub step_cursor: Option<u32>,
    /// Where the store was when this was read.
    pub position: u64,
}

/// A step of a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunStep {
    /// Its id in the definition.
    pub id: String,
    /// Its state.
    pub state: TaskState,
    /// Why it is in that state; null when there is nothing to add.
    pub reason: Option<String>,
    /// The step that did not end as it had to, of a step that was skipped because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The steps that it comes after.
    pub after: Vec<StepEdge>,
    /// `all` or `any`: how many of these it needs.
    pub join: String,
    /// `task`, `noop` or `for_each`.
    pub kind: String,
    /// Its failure is none of the run's.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_failure: bool,
    /// 1, and one more each time that it is to run once more; 0 before anything happens to it.
    pub round: u32,
    /// Its task.
    pub task: Option<String>,
    /// The last attempt of its task; 0 before the first.
    pub attempt: u32,
    /// How far its elements are, with `for_each`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elements: Option<StepElements>,
    /// When it could have begun at the earliest: when its run was accepted.
    pub submitted_at: Timestamp,
    /// When its task was last queued.
    pub queued_at: Option<Timestamp>,
    /// When its last attempt was leased to a worker.
    pub allocated_at: Option<Timestamp>,
    /// When its last attempt began to run.
    pub started_at: Option<Timestamp>,
    /// When it was decided.
    pub finished_at: Option<Timestamp>,
    /// The worker of its last attempt.
    pub worker: Option<String>,
    /// The pod of that worker.
    pub pod: Option<String>,
    /// The host of that worker.
    pub host: Option<String>,
    /// What went wrong, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A step comes after another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StepEdge {
    /// The other's id.
    pub step: String,
    /// How it must have ended: `success`, `failure` or `any`.
    pub on: String,
}

/// How far the elements of a step are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct StepElements {
    /// All of them.
    pub total: u32,
    /// Those that became tasks.
    pub started: u32,
    /// Those that succeeded.
    pub succeeded: u32,
    /// Those that failed or were cancelled.
    pub failed: u32,
}

/// A page of runs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunPage {
    /// The runs.
    pub items: Vec<Run>,
    /// Where the next page begins; null on the last one.
    pub cursor: Option<String>,
    /// Where the store was when the page was read.
    pub position: u64,
}

/// What came of waiting for a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunWaited {
    /// Whether it has ended.
    pub done: bool,
    /// The run.
    pub run: Run,
    /// The store shows all of it once it has reached this position.
    pub position: u64,
}

/// Which runs to list.
#[derive(Clone, PartialEq, Eq, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunsQuery {
    /// Of one workflow.
    #[param(min_length = 1, max_length = 255)]
    pub workflow: Option<String>,
    /// In one of these states, with commas between them.
    #[param(style = Form, explode = false)]
    pub state: Vec<TaskState>,
    /// With a tag.
    #[param(min_length = 1, max_length = 255)]
    pub tag: Option<String>,
    /// Accepted then or later: RFC 3339.
    pub since: Option<Timestamp>,
    /// Items of a page; default 100.
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<usize>,
    /// The `cursor` of the page before.
    pub cursor: Option<String>,
    /// Wait until the store has reached this position.
    pub position: Option<u64>,
}

impl Query for RunsQuery {
    const NAMES: &'static [&'static str] = &[
        "workflow", "state", "tag", "since", "limit", "cursor", "position",
    ];

    fn read(params: &mut Params) -> Result<RunsQuery, Problem> {
        Ok(RunsQuery {
            workflow: params.text("workflow"),
            state: params.list("state", "states such as queued,running")?,
            tag: params.text("tag"),
            since: params.parsed("since", "an RFC 3339 time")?,
            limit: params.number("limit", 1, limits::LIST_LIMIT)?,
            cursor: params.text("cursor"),
            position: params.parsed("position", "a position")?,
        })
    }

    fn write(&self, out: &mut QueryText) {
        out.add("workflow", self.workflow.as_ref());
        out.add_list("state", &self.state);
        out.add("tag", self.tag.as_ref());
        out.add("since", self.since);
        out.add("limit", self.limit);
        out.add("cursor", self.cursor.as_ref());
        out.add("position", self.position);
    }
}

/// Which part of a run to show, and as of when.
#[derive(Clone, PartialEq, Eq, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunQuery {
    /// As it stood then: RFC 3339. By default as it stands now.
    pub at: Option<Timestamp>,
    /// The `step_cursor` of the answer before.
    pub step_cursor: Option<u32>,
    /// Steps of an answer; default 10,000.
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<usize>,
}

impl Query for RunQuery {
    const NAMES: &'static [&'static str] = &["at", "step_cursor", "limit"];

    fn read(params: &mut Params) -> Result<RunQuery, Problem> {
        Ok(RunQuery {
            at: params.parsed("at", "an RFC 3339 time")?,
            step_cursor: params.parsed("step_cursor", "the `step_cursor` of an answer")?,
            limit: params.number("limit", 1, limits::LIST_LIMIT)?,
        })
    }

    fn write(&self, out: &mut QueryText) {
        out.add("at", self.at);
        out.add("step_cursor", self.step_cursor);
        out.add("limit", self.limit);
    }
}

/// Parameters by name.
pub type RunParameters = Map<String, Value>;

//! Tasks, their attempts, and lists of them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{Params, QueryText};
use super::{Blob, Counts, Query, TaskState};
use crate::limits;
use crate::problem::Problem;
use crate::span::Span;
use crate::spec::TaskSpec;
use crate::timestamp::Timestamp;

/// A task, an array, or an element of one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// Such as `12`, or `12.0` for an element of an array.
    pub id: String,
    /// Its group.
    pub group: String,
    /// Its state.
    pub state: TaskState,
    /// Why it is in that state; null when there is nothing to add.
    pub reason: Option<String>,
    /// 1 to 9, 9 most urgent.
    pub priority: u32,
    /// Its labels.
    pub tags: Vec<String>,
    /// The key that it was deduplicated by.
    pub dedup_key: Option<String>,
    /// The number of its last attempt; 0 before the first.
    pub attempt: u32,
    /// 1, and one more with each retry by an operator.
    pub round: u32,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// When it was last queued.
    pub queued_at: Option<Timestamp>,
    /// When its last attempt was leased to a worker.
    pub allocated_at: Option<Timestamp>,
    /// When its last attempt began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The worker of its last attempt.
    pub worker: Option<String>,
    /// The pod of that worker.
    pub pod: Option<String>,
    /// The host of that worker.
    pub host: Option<String>,
    /// What its last attempt returned.
    pub output: Option<Blob>,
    /// The output was longer than its limit and was cut there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub output_cut: bool,
    /// What went wrong with the last attempt, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The exit code of its last process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended its last process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// What its last attempt took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// When it will be queued, while it is scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// What the submitter kept with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<serde_json::Value>,
    /// The run that it is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Which step of that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Which element of that step, from 0, when the step has `for_each`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<u32>,
    /// Elements, when it is an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How many of its elements are where, when it is an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What an attempt took, as its worker measured it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// From its start to its end, in seconds.
    pub wall: Span,
    /// Processor time, user and system, in seconds.
    pub cpu: Span,
    /// Peak resident memory in bytes.
    pub peak_memory: u64,
}

/// A task with all that is known of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskDetail {
    /// The task.
    #[serde(flatten)]
    pub task: Task,
    /// What was submitted.
    pub spec: TaskSpec,
    /// Its attempts, the first one first.
    pub attempts: Vec<Attempt>,
    /// Where the store was when this was read.
    pub position: u64,
}

/// One try of a task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// `running`, `succeeded`, `failed`, `again`, `released`, `lost` or `cancelled`.
    pub outcome: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// Its worker.
    pub worker: Option<String>,
    /// The worker's pod.
    pub pod: Option<String>,
    /// The worker's host.
    pub host: Option<String>,
    /// When it was leased.
    pub allocated_at: Timestamp,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What went wrong, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The exit code of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// What it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The end of its stdout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_tail: Option<Blob>,
    /// The end of its stderr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_tail: Option<Blob>,
}

/// A page of tasks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskPage {
    /// The tasks.
    pub items: Vec<Task>,
    /// Where the next page begins; null on the last one.
    pub cursor: Option<String>,
    /// Where the store was when the page was read.
    pub position: u64,
}

/// A whole list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Items<T> {
    /// The items.
    pub items: Vec<T>,
}

/// Which tasks to list.
#[derive(Clone, PartialEq, Eq, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TasksQuery {
    /// Of one group.
    #[param(min_length = 1, max_length = 255)]
    pub group: Option<String>,
    /// In one of these states, with commas between them.
    #[param(style = Form, explode = false)]
    pub state: Vec<TaskState>,
    /// With a tag.
    #[param(min_length = 1, max_length = 255)]
    pub tag: Option<String>,
    /// The elements of an array instead of tasks and arrays.
    pub array: Option<String>,
    /// Those of the steps of a run.
    pub run: Option<String>,
    /// Items of a page; default 100.
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<usize>,
    /// The `cursor` of the page before.
    pub cursor: Option<String>,
    /// Wait until the store has reached this position.
    pub position: Option<u64>,
}

impl Query for TasksQuery {
    const NAMES: &'static [&'static str] = &[
        "group", "state", "tag", "array", "run", "limit", "cursor", "position",
    ];

    fn read(params: &mut Params) -> Result<TasksQuery, Problem> {
        Ok(TasksQuery {
            group: params.text("group"),
            state: params.list("state", "states such as queued,running")?,
            tag: params.text("tag"),
            array: params.text("array"),
            run: params.text("run"),
            limit: params.number("limit", 1, limits::LIST_LIMIT)?,
            cursor: params.text("cursor"),
            position: params.parsed("position", "a position")?,
        })
    }

    fn write(&self, out: &mut QueryText) {
        out.add("group", self.group.as_ref());
        out.add_list("state", &self.state);
        out.add("tag", self.tag.as_ref());
        out.add("array", self.array.as_ref());
        out.add("run", self.run.as_ref());
        out.add("limit", self.limit);
        out.add("cursor", self.cursor.as_ref());
        out.add("position", self.position);
    }
}

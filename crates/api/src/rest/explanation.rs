//! Why something does not happen.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::timestamp::Timestamp;

/// Everything that keeps a task, run, group, pod or worker from running more, or that a run failed
/// for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// `task`, `run`, `group`, `pod` or `worker`.
    pub kind: String,
    /// Its id or name.
    pub id: String,
    /// Its state, in a word.
    pub state: String,
    /// The whole in one sentence.
    pub summary: String,
    /// What stands in the way: all of it, not just the first.
    pub obstacles: Vec<Obstacle>,
    /// The run that a task is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Which step of that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The smallest change that would let it start or go on, when there is one; of a run that has
    /// ended the command that opens it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// One thing in the way.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Obstacle {
    /// `not_before`, `group_paused`, `group_at_limit`, `no_worker`, `worker_detached`,
    /// `worker_draining`, `worker_busy`, `pod_paused`, `pod_full`, `pod_held` or `behind`; of a
    /// run also `max_runs`, `conflict`, `backoff`, `run_paused`, `run_behind`, `max_steps`,
    /// `step_waits`, `step_ready` or `step_running`; of a run that failed `step_failed`.
    pub kind: String,
    /// The same in one sentence, with what to do about it where there is something.
    pub text: String,
    /// The worker in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The pod in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The step that it is about, of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The run that is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Steps that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Tasks that are in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// The bound that is reached, or how many come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

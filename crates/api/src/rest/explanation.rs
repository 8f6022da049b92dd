//! Why something does not happen.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::timestamp::Timestamp;

/// Everything that keeps a task, group, pod or worker from running more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// `task`, `group`, `pod` or `worker`.
    pub kind: String,
    /// Its id or name.
    pub id: String,
    /// Its state, in a word.
    pub state: String,
    /// The whole in one sentence.
    pub summary: String,
    /// What stands in the way: all of it, not just the first.
    pub obstacles: Vec<Obstacle>,
}

/// One thing in the way.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Obstacle {
    /// `not_before`, `group_paused`, `group_at_limit`, `no_worker`, `worker_detached`,
    /// `worker_draining`, `worker_busy`, `pod_paused`, `pod_full`, `pod_held` or `behind`.
    pub kind: String,
    /// The same in one sentence, with what to do about it where there is something.
    pub text: String,
    /// The worker in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The pod in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
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

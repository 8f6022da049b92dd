//! The audit trail.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{Params, QueryText};
use super::{Query, TaskState};
use crate::limits;
use crate::problem::Problem;
use crate::timestamp::Timestamp;

/// A line of the audit trail. It never changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditLine {
    /// Its number: later lines have higher ones. Ask for what comes `after` it.
    pub seq: u64,
    /// When it happened, by the leader's clock.
    pub time: Timestamp,
    /// Who: the name of the caller's token, or its id when it has none; `local` for whoever has the
    /// data folder's token or is in the server's process; `capataz` for what follows by the rules.
    pub actor: String,
    /// What happened; `docs/concepts/audit.md` lists all actions.
    pub action: String,
    /// The run.
    pub run: Option<String>,
    /// The step.
    pub step: Option<String>,
    /// The task. A line of a step without one is the step's own: its end, for instance.
    pub task: Option<String>,
    /// The attempt.
    pub attempt: Option<u32>,
    /// The state before; null when the line is about none.
    pub from: Option<TaskState>,
    /// The state after.
    pub to: Option<TaskState>,
    /// Why.
    pub reason: Option<String>,
    /// The element of a step with `for_each`, or the first of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<u32>,
    /// Of a skipped step the one that did not end as it had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The group, pod, worker, token or workflow that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What there is to say about it: what a caller gave as the reason, or what was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Which lines of the audit trail to send.
#[derive(Clone, PartialEq, Eq, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// After the line with this number; by default from the first that there is.
    pub after: Option<u64>,
    /// From then on: RFC 3339.
    pub since: Option<Timestamp>,
    /// Before then: RFC 3339.
    pub until: Option<Timestamp>,
    /// Lines of an answer; by default all there are.
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<usize>,
}

impl Query for AuditQuery {
    const NAMES: &'static [&'static str] = &["after", "since", "until", "limit"];

    fn read(params: &mut Params) -> Result<AuditQuery, Problem> {
        Ok(AuditQuery {
            after: params.parsed("after", "the number of a line")?,
            since: params.parsed("since", "an RFC 3339 time")?,
            until: params.parsed("until", "an RFC 3339 time")?,
            limit: params.number("limit", 1, limits::LIST_LIMIT)?,
        })
    }

    fn write(&self, out: &mut QueryText) {
        out.add("after", self.after);
        out.add("since", self.since);
        out.add("until", self.until);
        out.add("limit", self.limit);
    }
}

//! Waiting for tasks to end.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::lease::check_wait;
use super::{Body, Counts};
use crate::limits;
use crate::span::Span;
use crate::spec::{Flaw, SpecError, check_name};

/// Waits for what lives when it is called: by ids, or all of a group, a tag, or both.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WaitRequest {
    /// These tasks, arrays or elements. An id that does not exist is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10000)]
    pub ids: Vec<String>,
    /// The live tasks of this group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The live tasks with this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// How long this call may take, at most a minute; by default it answers at once.
    pub timeout: Span,
    /// `handle` of the answer before, to go on waiting for the same tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

impl Body for WaitRequest {
    fn check(&self) -> Result<(), SpecError> {
        let (limit, got, unit) = (limits::WAIT_IDS, self.ids.len(), "ids");
        if got > limit {
            return Err(SpecError::new("ids", Flaw::TooLarge { limit, got, unit }));
        }
        let selects = self.group.is_some() || self.tag.is_some();
        if !self.ids.is_empty() && selects {
            let other = "group or tag";
            return Err(SpecError::new("ids", Flaw::Excludes { other }));
        }
        if self.ids.is_empty() && !selects {
            return Err(SpecError::new("ids, group or tag", Flaw::Missing));
        }
        for (field, name) in [("group", &self.group), ("tag", &self.tag)] {
            name.as_ref()
                .map_or(Ok(()), |name| check_name(field, name))?;
        }
        check_wait("timeout", self.timeout)
    }
}

/// How far the waiting is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Waited {
    /// Whether all have ended.
    pub done: bool,
    /// How many of the watched tasks are where; elements count one by one.
    pub counts: Counts,
    /// How many have not ended.
    pub remaining: u64,
    /// Names the watched tasks in the next call.
    pub handle: String,
    /// Lists that ask for this position show how they ended.
    pub position: u64,
}

//! Pods.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::lease::check_range;
use super::{Body, Token};
use crate::limits;
use crate::spec::SpecError;

/// A named slice of a machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Attempts that may run in it at once.
    pub slots: u32,
    /// Attempts that are leased in it.
    pub used: u32,
    /// Lost attempts that may still run in it; each holds a slot.
    pub held: Vec<Held>,
    /// What happens when a worker of it is lost.
    pub on_lost: OnLost,
    /// Whether it gets nothing new.
    pub paused: bool,
    /// Its workers.
    pub workers: Vec<String>,
}

/// A lost attempt that holds a slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// The attempt.
    #[serde(flatten)]
    pub token: Token,
    /// The worker that was lost.
    pub worker: String,
}

/// What is left of a pod when its worker is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// Its slots are free when lease, term and margin have passed.
    Time,
    /// Its slots are held until the worker or an operator says that the sandboxes are gone.
    Hold,
}

/// Changes a pod; one that does not exist is made. Absent fields stay as they are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PodPatch {
    /// Attempts that may run in it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub slots: Option<u32>,
    /// What happens when a worker of it is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
}

impl Body for PodPatch {
    fn check(&self) -> Result<(), SpecError> {
        check_range("slots", 1, limits::SLOTS, self.slots.unwrap_or(1).into())
    }
}

//! Workers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, Token};
use crate::timestamp::Timestamp;

/// A session of a process that runs attempts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// Its name.
    pub name: String,
    /// The incarnation of its process, in hexadecimal.
    pub incarnation: String,
    /// Where it runs.
    pub host: String,
    /// Its build version.
    pub build: String,
    /// Its pod.
    pub pod: String,
    /// The groups it serves.
    pub groups: Vec<String>,
    /// Attempts it can run at once.
    pub concurrency: u32,
    /// Whether it polls over REST.
    pub polling: bool,
    /// Whether it is connected; one that polls always is.
    pub connected: bool,
    /// Whether it gets nothing new.
    pub draining: bool,
    /// Since when it has been known.
    pub since: Timestamp,
    /// The attempts it holds leases of.
    pub running: Vec<Token>,
}

/// Gives a worker nothing new, or lets it have work again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DrainRequest {
    /// False lifts it.
    pub on: bool,
}

impl Default for DrainRequest {
    fn default() -> DrainRequest {
        DrainRequest { on: true }
    }
}

impl Body for DrainRequest {}

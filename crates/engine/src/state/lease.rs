//! A worker's right to an attempt.

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, PodId, WorkerId};
use crate::run::RunId;
use crate::time::Timestamp;

/// A lease in force. Its deadline is the leader's business: heartbeats are not events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) worker: WorkerId,
    pub(crate) pod: PodId,
    pub(crate) group: GroupId,
    pub(crate) since: Timestamp,
    /// The worker has said that it runs.
    pub(crate) started: bool,
    /// Its task is decided already; only its slot is still taken.
    pub(crate) revoked: bool,
    /// When the leader ends it itself, for a worker that has no guard.
    pub(crate) times_out_at: Option<Timestamp>,
    /// The step of a run that its task is, or was.
    pub(crate) step: Option<(RunId, u32)>,
    /// The store has an entry of it.
    pub(crate) stored: bool,
}

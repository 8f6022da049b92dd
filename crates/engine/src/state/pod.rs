//! A pod: a named slice of a machine with a bounded number of attempts in it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::command::OnLost;
use crate::id::{Attempt, Key, WorkerId};
use crate::time::Timestamp;

/// A pod.
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) slots: u32,
    pub(crate) on_lost: OnLost,
    pub(crate) paused: bool,
    /// An operator has set it: it is not forgotten, and no worker's flag changes its slots.
    pub(crate) set: bool,
    /// Leases in force in it.
    pub(crate) used: u32,
    /// Slots whose attempts were lost and may still run.
    pub(crate) held: Vec<Held>,
    /// Since when it has had neither worker nor lease.
    pub(crate) empty_since: Option<Timestamp>,
    pub(crate) workers: BTreeSet<WorkerId>,
}

/// A lost attempt whose sandbox may still run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) key: Key,
    pub(crate) attempt: Attempt,
    pub(crate) worker: String,
    pub(crate) incarnation: u128,
    /// Only a worker on this host can vouch for what is left there.
    pub(crate) host: String,
    pub(crate) since: Timestamp,
}

impl Pod {
    pub(crate) fn new(name: String, slots: u32) -> Pod {
        Pod {
            name,
            slots,
            on_lost: OnLost::Time,
            paused: false,
            set: false,
            used: 0,
            held: Vec::new(),
            empty_since: None,
            workers: BTreeSet::new(),
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.paused && self.used as usize + self.held.len() < self.slots as usize
    }

    pub(crate) fn is_forgettable(&self) -> bool {
        !self.set
            && !self.paused
            && self.used == 0
            && self.held.is_empty()
            && self.workers.is_empty()
    }
}

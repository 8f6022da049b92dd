//! The tables of the ledger.

use std::collections::BTreeSet;

use bytes::Bytes;
use capataz_engine::{Attempt, Key, OnLost, PodSettings, Policy};

/// An accepted task.
#[derive(Clone, Debug)]
pub(crate) struct TaskFacts {
    /// Its spec, as the client sent it.
    pub(crate) body: Bytes,
    pub(crate) group: u32,
    pub(crate) policy: Policy,
    pub(crate) count: Option<u32>,
    pub(crate) dedup: Option<u128>,
    /// Elements that never had an attempt ended with their array.
    pub(crate) rest_closed: bool,
}

/// A lease in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseFacts {
    pub(crate) attempt: Attempt,
    pub(crate) worker: u32,
    pub(crate) pod: u32,
    pub(crate) revoked: bool,
}

/// A task, or an element that something happened to.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnitFacts {
    /// Its round is over.
    pub(crate) terminal: bool,
    pub(crate) attempts: Attempt,
    pub(crate) failures: u32,
    pub(crate) losses: u32,
    pub(crate) lease: Option<LeaseFacts>,
    pub(crate) revivals: u32,
}

/// A pod.
#[derive(Clone, Debug, Default)]
pub(crate) struct PodFacts {
    pub(crate) slots: u32,
    pub(crate) hold: bool,
    pub(crate) used: u32,
    pub(crate) held: BTreeSet<(Key, Attempt)>,
}

/// What a dedup key stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DedupFacts {
    pub(crate) task: u64,
    pub(crate) content: u128,
    pub(crate) ended_at: Option<u64>,
}

impl PodFacts {
    pub(crate) fn set(&mut self, settings: &PodSettings) {
        self.slots = settings.slots.unwrap_or(self.slots);
        if let Some(policy) = settings.on_lost {
            self.hold = policy == OnLost::Hold;
        }
    }
}

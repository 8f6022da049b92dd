//! REST workers' calls that wait for work.

use std::collections::BTreeMap;
use std::time::Duration;

use capataz_engine::WorkerId;

use super::{CallError, LeasedTask, Reply};

/// One call.
pub(crate) struct Parked {
    pub(crate) poll: u128,
    pub(crate) deadline: Duration,
    pub(crate) reply: Reply<Vec<LeasedTask>>,
}

/// Waiting calls, at most one per worker.
#[derive(Default)]
pub(crate) struct ParkedPolls {
    waiting: BTreeMap<WorkerId, Parked>,
}

impl ParkedPolls {
    pub(crate) fn park(&mut self, worker: WorkerId, parked: Parked) {
        if let Some(before) = self.waiting.insert(worker, parked) {
            (before.reply)(Err(CallError::Superseded));
        }
    }

    pub(crate) fn take(&mut self, worker: WorkerId) -> Option<Parked> {
        self.waiting.remove(&worker)
    }

    pub(crate) fn waits(&self, worker: WorkerId) -> bool {
        self.waiting.contains_key(&worker)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.waiting.values().map(|parked| parked.deadline).min()
    }

    pub(crate) fn expired(&self, now: Duration) -> Vec<WorkerId> {
        let over = self
            .waiting
            .iter()
            .filter(|(_, parked)| parked.deadline <= now);
        over.map(|(worker, _)| *worker).collect()
    }

    /// Which polls wait.
    pub(crate) fn list(&self) -> Vec<(WorkerId, u128)> {
        self.waiting
            .iter()
            .map(|(worker, parked)| (*worker, parked.poll))
            .collect()
    }
}

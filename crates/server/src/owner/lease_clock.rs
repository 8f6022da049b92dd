//! When leases run out, in the leader's monotonic time. Heartbeats are not events: a new leader
//! knows none and gives every worker a full term.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use capataz_engine::WorkerId;

use super::Token;

/// What has a deadline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Holder {
    /// All leases of a worker with a session; a polling worker's place in the list of workers.
    Worker(WorkerId),
    /// One lease of a polling worker.
    Lease(Token),
}

/// Deadlines.
#[derive(Default)]
pub(crate) struct LeaseClock {
    deadlines: BTreeMap<Holder, Duration>,
    order: BTreeSet<(Duration, Holder)>,
}

impl LeaseClock {
    /// Sets or moves a deadline.
    pub(crate) fn arm(&mut self, holder: Holder, deadline: Duration) {
        if let Some(before) = self.deadlines.insert(holder, deadline) {
            self.order.remove(&(before, holder));
        }
        self.order.insert((deadline, holder));
    }

    pub(crate) fn is_armed(&self, holder: Holder) -> bool {
        self.deadlines.contains_key(&holder)
    }

    pub(crate) fn disarm(&mut self, holder: Holder) {
        if let Some(before) = self.deadlines.remove(&holder) {
            self.order.remove(&(before, holder));
        }
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    /// Takes one that has run out.
    pub(crate) fn pop_expired(&mut self, now: Duration) -> Option<Holder> {
        let (deadline, holder) = self.order.first().copied()?;
        if deadline > now {
            return None;
        }
        self.disarm(holder);
        Some(holder)
    }
}

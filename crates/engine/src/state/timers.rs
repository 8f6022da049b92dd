//! What is to happen at a time. Derived: rebuilt from tasks, leases and pods.

use std::collections::BTreeSet;

use crate::id::{Attempt, Key, PodId};
use crate::time::Timestamp;
use crate::workflow::WorkflowId;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// A scheduled unit becomes ready.
    Due(Key),
    /// A task that has not started fails.
    Expire(Key),
    /// An attempt of a worker without a guard has run too long.
    Timeout(Key, Attempt),
    /// A pod has been empty for long.
    ForgetPod(PodId),
    /// Runs of a workflow may begin again.
    HoldOver(WorkflowId),
}

/// All timers, the earliest first.
#[derive(Default)]
pub(crate) struct Timers {
    set: BTreeSet<(Timestamp, Timer)>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Timestamp, timer: Timer) {
        self.set.insert((at, timer));
    }

    pub(crate) fn clear(&mut self, at: Timestamp, timer: Timer) {
        self.set.remove(&(at, timer));
    }

    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Timers that are due, the earliest first.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = Timer> + '_ {
        self.set
            .iter()
            .take_while(move |(at, _)| *at <= now)
            .map(|(_, timer)| *timer)
    }
}

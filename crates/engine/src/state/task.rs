//! A live task. Millions of these wait at once, so what few tasks have sits behind one pointer.

use std::collections::{BTreeMap, BTreeSet};

use super::StepLink;
use crate::id::GroupId;
use crate::reason::Reason;
use crate::time::Timestamp;

use serde::{Deserialize, Serialize};

/// A live task or array.
pub(crate) struct Task {
    pub(crate) submitted_at: Timestamp,
    pub(crate) group: GroupId,
    /// Index into the policy table, which counts its users.
    pub(crate) policy: u32,
    pub(crate) priority: u8,
    /// Its place in the group's first-come queue is its current one.
    pub(crate) in_fresh: bool,
    /// The store has an entry of it.
    pub(crate) stored: bool,
    /// The task itself; unused for an array.
    pub(crate) unit: Unit,
    pub(crate) extra: Option<Box<Extra>>,
}

/// What few tasks have.
#[derive(Default, Clone, Serialize, Deserialize)]
pub(crate) struct Extra {
    pub(crate) affinity: Vec<u64>,
    pub(crate) expires_at: Option<Timestamp>,
    /// What waited of an array when its time was over has been ended.
    pub(crate) expired: bool,
    pub(crate) array: Option<Box<Array>>,
    /// The step of a run that it is.
    pub(crate) step: Option<StepLink>,
}

/// The elements of an array: those from `next` on were never touched and cost nothing, those
/// below it are over unless they are in `live`.
#[derive(Default, Clone, Serialize, Deserialize)]
pub(crate) struct Array {
    pub(crate) count: u32,
    pub(crate) next: u32,
    pub(crate) live: BTreeMap<u32, Unit>,
    /// Elements at or above `next` that were cancelled before they were reached.
    pub(crate) closed: BTreeSet<u32>,
}

/// What a task and an element have in common: one thing that can be tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) phase: UnitPhase,
    /// Attempts made in all rounds.
    pub(crate) attempts: u32,
    /// Failed attempts of this round.
    pub(crate) failures: u32,
    /// Lost attempts of this round.
    pub(crate) lost: u16,
    pub(crate) rounds: u16,
    /// Times it was passed over for a better affinity match. Not durable: a restart forgives.
    pub(crate) skips: u16,
}

/// Where a unit stands. Ended units are not in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum UnitPhase {
    Queued(Reason),
    Scheduled { until: Until, reason: Reason },
    Running,
}

/// A time that may stand at any multiple of four bytes: a task is eight bytes smaller for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[repr(Rust, packed(4))]
pub(crate) struct Until(Timestamp);

impl Until {
    pub(crate) fn new(at: Timestamp) -> Until {
        Until(at)
    }

    pub(crate) fn at(self) -> Timestamp {
        self.0
    }
}

impl Unit {
    pub(crate) fn new(phase: UnitPhase) -> Unit {
        Unit {
            phase,
            attempts: 0,
            failures: 0,
            lost: 0,
            rounds: 0,
            skips: 0,
        }
    }

    pub(crate) fn is_queued(&self) -> bool {
        matches!(self.phase, UnitPhase::Queued(_))
    }
}

impl Array {
    /// Elements never touched and not cancelled ahead.
    pub(crate) fn untouched(&self) -> u64 {
        u64::from(self.count.saturating_sub(self.next)).saturating_sub(self.closed.len() as u64)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.next >= self.count && self.live.is_empty()
    }

    /// Moves past elements that were cancelled ahead.
    pub(crate) fn settle(&mut self) {
        while self.next < self.count && self.closed.remove(&self.next) {
            self.next += 1;
        }
    }
}

impl Task {
    pub(crate) fn array(&self) -> Option<&Array> {
        self.extra.as_ref()?.array.as_deref()
    }

    pub(crate) fn array_mut(&mut self) -> Option<&mut Array> {
        self.extra.as_mut()?.array.as_deref_mut()
    }

    pub(crate) fn affinity(&self) -> &[u64] {
        self.extra.as_ref().map_or(&[], |extra| &extra.affinity)
    }

    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        self.extra.as_ref()?.expires_at
    }

    /// The step of a run that it is.
    pub(crate) fn step(&self) -> Option<StepLink> {
        self.extra.as_ref()?.step
    }

    /// The task's own unit, or that of an element. `None` for an untouched or ended element, and
    /// for an array as a whole.
    pub(crate) fn unit(&self, index: Option<u32>) -> Option<&Unit> {
        match (index, self.array()) {
            (None, None) => Some(&self.unit),
            (Some(index), Some(array)) => array.live.get(&index),
            _ => None,
        }
    }

    pub(crate) fn unit_mut(&mut self, index: Option<u32>) -> Option<&mut Unit> {
        match (index, self.array().is_some()) {
            (None, false) => Some(&mut self.unit),
            (Some(index), true) => self.array_mut()?.live.get_mut(&index),
            _ => None,
        }
    }

    /// Whether an element can still be reached: it was never touched and never closed.
    pub(crate) fn is_untouched(&self, index: u32) -> bool {
        self.array().is_some_and(|array| {
            index >= array.next && index < array.count && !array.closed.contains(&index)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queued_task_is_small() {
        assert_eq!(size_of::<Option<Task>>(), 56);
    }

    #[test]
    fn what_few_tasks_have_is_not_large_either() {
        assert!(size_of::<Extra>() <= 80, "{} bytes", size_of::<Extra>());
    }
}

//! How things stood: whether what a master says of it can have been so since a moment. A moment is a
//! number of events: whatever held after one of them may be told.

use capataz_engine::{Key, RunId};

use super::{Check, Ledger};

impl Ledger {
    /// Whether so many tasks lived, arrays counted once, at a position: after any event of the
    /// record before it, since nothing is finer than a record.
    pub(crate) fn check_count(&self, count: u64, position: u64) -> Check {
        let begins = |record: u64| self.begins.get(record as usize).copied();
        let first = begins(position.saturating_sub(1)).unwrap_or(0);
        let last = begins(position).unwrap_or(self.moment);
        let lived = |moment: u64| match moment.checked_sub(1) {
            Some(event) => self.lives.get(event as usize).copied(),
            None => Some(0),
        };
        match (first..=last).any(|moment| lived(moment) == Some(count)) {
            true => Ok(()),
            false => Err(format!(
                "{count} tasks live at {position}, it is said, and not {:?}",
                lived(last)
            )),
        }
    }

    /// Whether a task or element was over, and free of its last attempt, all the time since.
    pub(crate) fn was_over_since(&self, key: Key, since: u64) -> bool {
        let unit = self.units.get(&key);
        unit.is_some_and(|unit| unit.terminal && unit.lease.is_none() && unit.changed <= since)
    }

    /// Whether a workflow of that name was registered all the time since.
    pub(crate) fn was_registered_since(&self, name: &str, since: u64) -> bool {
        self.workflows.values().any(|workflow| {
            let registered = workflow.registered.is_some() && workflow.registered_with <= since;
            registered && workflow.name == name
        })
    }

    /// Whether a run can have had that conflict key at any time since.
    pub(crate) fn can_hold(&self, run: RunId, conflict: Option<&str>, since: u64) -> bool {
        self.runs.get(&run.0).is_some_and(|run| {
            let was_over = run.ended && run.ended_with <= since;
            conflict.is_some() && run.asked.conflict.as_deref() == conflict && !was_over
        })
    }

    /// Bytes of all records.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

//! Who waits in which group, and whether it is the next one's turn.

use capataz_engine::{Key, TaskId};

use super::{Check, Ledger};

impl Ledger {
    /// A task waits now, or all elements of an array to which nothing has happened yet.
    pub(super) fn waits(&mut self, key: Key) {
        let Some(task) = self.tasks.get(&key.task().0) else {
            return;
        };
        let urgency = 9 - task.priority.min(9);
        let place = task.step.map_or(key.task().0, |(run, ..)| run);
        if let Some(run) = task.step.and_then(|(run, ..)| self.runs.get_mut(&run))
            && run.paused
        {
            run.held.insert(key);
            return;
        }
        let keys: Vec<Key> = match (key.index(), task.count) {
            (None, Some(count)) => {
                let id = TaskId(key.task().0);
                let elements = (0..count).map(|index| id.element(index));
                elements
                    .filter(|element| !self.units.contains_key(element))
                    .collect()
            }
            _ => vec![key],
        };
        let group = self.groups.entry(task.group).or_default();
        group
            .waiting
            .extend(keys.into_iter().map(|key| (urgency, place, key)));
    }

    /// A task waits no more, or an array with all its elements.
    pub(super) fn waits_no_more(&mut self, key: Key) {
        let Some(task) = self.tasks.get(&key.task().0) else {
            return;
        };
        let whole = key.index().is_none() && task.count.is_some();
        let units = &self.units;
        let over = |other: Key| units.get(&other).is_none_or(|unit| unit.terminal);
        let gone =
            |other: Key| other == key || (whole && other.task() == key.task() && over(other));
        if let Some(group) = self.groups.get_mut(&task.group) {
            group.waiting.retain(|(_, _, other)| !gone(*other));
        }
        if let Some(run) = task.step.and_then(|(run, ..)| self.runs.get_mut(&run)) {
            run.held.remove(&key);
        }
    }

    /// Nobody is passed over: the most urgent goes first, among equals the one accepted first.
    /// Tasks here have no affinity, so nothing else may change the order.
    pub(super) fn check_turn(&mut self, key: Key) -> Check {
        let task = self.tasks.get(&key.task().0).ok_or("no such task")?;
        let group = self.groups.entry(task.group).or_default();
        if group.paused || group.max_running.is_some_and(|max| group.running >= max) {
            let (running, max) = (group.running, group.max_running);
            return Err(format!(
                "its group is held back: paused {}, {running} of {max:?} run",
                group.paused
            ));
        }
        group.running += 1;
        match group.waiting.pop_first() {
            Some((_, _, first)) if first == key => Ok(()),
            other => Err(format!("it was not its turn but that of {other:?}")),
        }
    }

    /// A delay is over: not before its time.
    pub(super) fn due(&mut self, at: u64, key: Key) -> Check {
        let task = self.tasks.get(&key.task().0).ok_or("no such task")?;
        let unit = self.units.get(&key);
        if unit.map_or(task.rest_closed, |unit| unit.terminal) {
            return Err("what has ended is due".to_owned());
        }
        let first = unit.is_none_or(|unit| unit.revivals == 0);
        let not_before = unit.map_or(0, |unit| unit.not_before);
        if at < not_before || (first && task.not_before.is_some_and(|time| at < time)) {
            return Err(format!("it is due too early: {unit:?} of {task:?}"));
        }
        self.waits(key);
        Ok(())
    }
}

//! Who waits in which group, and whether it is the next one's turn.

use capataz_engine::{Key, TaskId};

use super::facts::Place;
use super::{Check, Ledger};

/// So often others may be preferred to a task.
const PASSED_OVER: u32 = 255;

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
        let gone = |other: Key| other.task() == key.task() && over(other);
        let place = task.step.map_or(key.task().0, |(run, ..)| run);
        match self.groups.get_mut(&task.group) {
            Some(group) if whole => group.waiting.retain(|(_, _, other)| !gone(*other)),
            Some(group) => {
                group
                    .waiting
                    .remove(&(9 - task.priority.min(9), place, key));
            }
            None => {}
        }
        if let Some(run) = task.step.and_then(|(run, ..)| self.runs.get_mut(&run)) {
            run.held.remove(&key);
        }
    }

    /// Nobody is passed over: the most urgent goes first, among equals the one accepted first. Only
    /// a step that prefers this worker goes before its equals, and that not for ever.
    pub(super) fn check_turn(&mut self, key: Key, worker: u32) -> Check {
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
        let run = task.step.map(|(run, ..)| run);
        let place = (9 - task.priority.min(9), run.unwrap_or(key.task().0), key);
        let first = group.waiting.first().copied();
        let before: Vec<Place> = group.waiting.range(..place).copied().collect();
        if !group.waiting.remove(&place) {
            return Err("it does not wait".to_owned());
        }
        let known = self.workers.get(&worker);
        let is_home =
            known.is_some_and(|session| run.is_some_and(|run| session.runs.contains(&run)));
        let is_preferred = task.sticky && is_home;
        if !before.is_empty() && !is_preferred || first.is_some_and(|(most, ..)| most < place.0) {
            return Err(format!("it was not its turn but that of {first:?}"));
        }
        for (_, _, other) in before {
            let times = self.passed_over.entry(other).or_default();
            *times += 1;
            // An array counts as a whole.
            if *times > PASSED_OVER && other.index().is_none() {
                return Err(format!("{other} is passed over for ever"));
            }
        }
        self.passed_over.remove(&key);
        Ok(())
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

//! When tasks ended and came to life again, and what may be told of that.

use std::collections::BTreeSet;

use capataz_engine::{Key, Phase};

use super::{Check, Ledger};

impl Ledger {
    /// A task has ended, or lives again, with the event that is read now.
    pub(super) fn note_fate(&mut self, key: Key, phase: Option<Phase>) {
        let moment = self.moment;
        if key.index().is_none()
            && let Some(task) = self.tasks.get_mut(&key.task().0)
        {
            task.fates.push((moment, phase));
        }
    }

    /// Whether these tasks had ended at a position, and so. Nothing is finer than a record: what was
    /// true at any moment of the last one before it may be told.
    pub(crate) fn check_ends(&self, tasks: &[u64], phases: &[Phase], position: u64) -> Check {
        if position > self.tail() {
            let tail = self.tail();
            return Err(format!("ends up to {position} are told, durable is {tail}"));
        }
        let mut told = phases.to_vec();
        told.sort_unstable();
        let begins = |record: u64| self.begins.get(record as usize).copied();
        let first = begins(position.saturating_sub(1)).unwrap_or(0);
        let last = begins(position).unwrap_or(self.moment);
        let fates = tasks.iter().filter_map(|task| self.tasks.get(task));
        let moments = fates.flat_map(|task| task.fates.iter().map(|(moment, _)| *moment));
        let mut moments = moments.filter(|moment| (first..=last).contains(moment));
        match self.had_ended(tasks, first) == Some(told.clone())
            || moments.any(|moment| self.had_ended(tasks, moment) == Some(told.clone()))
        {
            true => Ok(()),
            false => Err(format!(
                "they had ended {:?} and not {told:?}",
                self.had_ended(tasks, last)
            )),
        }
    }

    /// How single tasks had ended after so many events, sorted; `None` when one of them lived.
    fn had_ended(&self, tasks: &[u64], moment: u64) -> Option<Vec<Phase>> {
        let fate = |task: &u64| {
            let task = self.tasks.get(task).filter(|task| task.count.is_none())?;
            let mut before = task.fates.iter().rev();
            before.find(|(at, _)| *at <= moment)?.1
        };
        let tasks: BTreeSet<u64> = tasks.iter().copied().collect();
        let mut ended = tasks.iter().map(fate).collect::<Option<Vec<Phase>>>()?;
        ended.sort_unstable();
        Some(ended)
    }
}

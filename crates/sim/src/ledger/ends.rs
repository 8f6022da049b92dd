//! When tasks ended and came to life again, and what may be told of that.

use capataz_engine::{Key, Phase};

use super::{Check, Ledger};

impl Ledger {
    /// A task has ended, or lives again: in the record that is read now.
    pub(super) fn note_fate(&mut self, key: Key, phase: Option<Phase>) {
        let record = self.tail();
        if key.index().is_none()
            && let Some(task) = self.tasks.get_mut(&key.task().0)
        {
            task.fates.push((record, phase));
        }
    }

    /// Whether these tasks had ended at a position, and so.
    pub(crate) fn check_ends(&self, tasks: &[u64], phases: &[Phase], position: u64) -> Check {
        if position > self.tail() {
            let tail = self.tail();
            return Err(format!("ends up to {position} are told, durable is {tail}"));
        }
        let mut tasks = tasks.to_vec();
        tasks.sort_unstable();
        tasks.dedup();
        let ended: Option<Vec<Phase>> = tasks
            .iter()
            .map(|task| self.fate_at(*task, position))
            .collect();
        let mut ended = ended.ok_or("one of them lives, or is none of those that are told of")?;
        let mut told = phases.to_vec();
        ended.sort_unstable();
        told.sort_unstable();
        match ended == told {
            true => Ok(()),
            false => Err(format!("they ended {ended:?} and not {told:?}")),
        }
    }

    /// How a single task had ended at a position. One that came to life again in the last record
    /// before it may have done so after the answer was worked out: nothing is finer than a record.
    fn fate_at(&self, task: u64, position: u64) -> Option<Phase> {
        let task = self.tasks.get(&task).filter(|task| task.count.is_none())?;
        let before = task.fates.iter().filter(|(record, _)| *record < position);
        let mut last = before.rev();
        match last.next()? {
            (_, Some(phase)) => Some(*phase),
            (record, None) if record + 1 == position => last.next()?.1,
            (_, None) => None,
        }
    }
}

//! Leases are given and end: one at a time for each task, within its budget, within its pod.

use bytes::Bytes;
use capataz_api::proto;
use capataz_engine::{Attempt, Ended, Key, Next, Outcome, Phase};
use prost::Message;

use super::facts::{LeaseFacts, TaskFacts, UnitFacts};
use super::{Check, Ledger, Violation};
use crate::work::output;

impl Ledger {
    pub(super) fn leased(&mut self, at: u64, key: Key, attempt: Attempt, worker: u32) -> Check {
        self.check_turn(key, worker)?;
        self.check_run_of(key, worker)?;
        let task = self.tasks.get(&key.task().0).ok_or("no such task")?;
        if task.count.is_some() != key.index().is_some() {
            return Err("an array is leased by its elements, a task as itself".to_owned());
        }
        let session = self.workers.get_mut(&worker).ok_or("no such worker")?;
        if !session.wants_work() {
            return Err(format!("its worker wants no work: {session:?}"));
        }
        session.leases += 1;
        session.credit = session.credit.map(|credit| credit - 1);
        let pod = session.pod;
        let facts = self.pods.get_mut(&pod).ok_or("no such pod")?;
        if facts.used as usize + facts.held.len() >= facts.slots as usize {
            return Err(format!("pod {pod} has no slot free: {facts:?}"));
        }
        facts.used += 1;
        let unit = self.units.entry(key).or_default();
        if unit.terminal {
            return Err("what has ended is leased".to_owned());
        }
        if let Some(lease) = unit.lease {
            return Err(format!("two leases at a time: {lease:?}"));
        }
        if attempt != unit.attempts + 1 {
            return Err(format!("attempt {attempt} follows {}", unit.attempts));
        }
        if unit.failures >= task.max_attempts || unit.losses > task.max_lost {
            return Err(format!("its budget is used up: {unit:?}"));
        }
        let first = unit.revivals == 0;
        let early = first && task.not_before.is_some_and(|time| at < time);
        if early || at < unit.not_before {
            return Err(format!("it starts too early: {unit:?} of {task:?}"));
        }
        if first && task.expires_at.is_some_and(|time| at >= time) {
            return Err(format!("its time is over: {task:?}"));
        }
        unit.attempts = attempt;
        unit.lease = Some(LeaseFacts {
            attempt,
            worker,
            pod,
            revoked: false,
        });
        Ok(())
    }

    pub(super) fn started(&mut self, key: Key, attempt: Attempt) -> Check {
        match self.lease(key) {
            Some(lease) if lease.attempt == attempt && !lease.revoked => Ok(()),
            other => Err(format!("it starts without its lease: {other:?}")),
        }
    }

    pub(super) fn ended(
        &mut self,
        at: u64,
        (key, attempt): (Key, Attempt),
        ended: Ended,
        outcome: &Outcome,
        next: Next,
        output: &Bytes,
    ) -> Check {
        let lease = self.end_lease(key, attempt, ended)?;
        self.check_kept(key, attempt, *outcome == Outcome::Succeeded)?;
        let unit = self.units.entry(key).or_default();
        if lease.revoked || unit.terminal {
            return Err("an outcome is accepted after the task was decided".to_owned());
        }
        match outcome {
            Outcome::Failed { .. } => unit.failures += 1,
            Outcome::Lost => unit.losses += 1,
            Outcome::Succeeded => check_output(key, attempt, output)?,
            Outcome::Again { .. } | Outcome::Released => {}
        }
        let task = self.tasks.get(&key.task().0).ok_or("no such task")?;
        if !follows(at, task, unit, outcome, next) {
            return Err(format!("that does not follow: {unit:?} of {task:?}"));
        }
        match next {
            Next::Over { phase, .. } => {
                unit.terminal = true;
                self.ends += 1;
                self.note_fate(key, Some(phase));
                self.note_end(at, key.task().0);
                self.step_task_over(key, phase)?;
            }
            Next::Queued => self.waits(key),
            Next::Scheduled { until, .. } => unit.not_before = until.0,
        }
        Ok(())
    }

    pub(super) fn released(&mut self, key: Key, attempt: Attempt, ended: Ended) -> Check {
        match self.end_lease(key, attempt, ended)?.revoked {
            true => Ok(()),
            false => Err("a lease ends without an outcome".to_owned()),
        }
    }

    fn end_lease(
        &mut self,
        key: Key,
        attempt: Attempt,
        ended: Ended,
    ) -> Result<LeaseFacts, Violation> {
        let unit = self.units.get_mut(&key).ok_or("no such attempt")?;
        unit.changed = self.moment;
        let lease = unit.lease.take().ok_or("it holds no lease")?;
        if lease.attempt != attempt {
            return Err(format!("not the last lease: {lease:?}"));
        }
        if let Some(session) = self.workers.get_mut(&lease.worker) {
            session.leases = session.leases.saturating_sub(1);
        }
        let task = self.tasks.get(&key.task().0).ok_or("no such task")?;
        if let Some(group) = self.groups.get_mut(&task.group) {
            group.running = group.running.saturating_sub(1);
        }
        let pod = self.pods.get_mut(&lease.pod).ok_or("no such pod")?;
        pod.used = pod.used.saturating_sub(1);
        if ended == Ended::Lost && pod.hold {
            pod.held.insert((key, attempt));
        }
        Ok(lease)
    }

    /// The lease of a task or element.
    pub(crate) fn lease(&self, key: Key) -> Option<LeaseFacts> {
        self.units.get(&key)?.lease
    }

    /// Whether an attempt was given at some time.
    pub(crate) fn was_leased(&self, key: Key, attempt: Attempt) -> bool {
        self.units
            .get(&key)
            .is_some_and(|unit| unit.attempts >= attempt)
    }

    /// Leases in force.
    pub(crate) fn leases(&self) -> usize {
        let leases = self.units.values().filter_map(|unit| unit.lease);
        leases.count()
    }
}

/// Whether the rules allow what becomes of a task, its attempt counted already.
fn follows(at: u64, task: &TaskFacts, unit: &UnitFacts, outcome: &Outcome, next: Next) -> bool {
    let expired = unit.revivals == 0 && task.expires_at.is_some_and(|time| time <= at);
    let (spent, forsaken) = (
        unit.failures >= task.max_attempts,
        unit.losses > task.max_lost,
    );
    let over = match next {
        Next::Over { phase, .. } => Some(phase),
        Next::Queued | Next::Scheduled { .. } => None,
    };
    match (outcome, over) {
        (Outcome::Succeeded, over) => over == Some(Phase::Succeeded),
        (_, Some(phase)) if phase != Phase::Failed => false,
        (Outcome::Failed { fatal, .. }, over) => {
            over.is_some() == (*fatal || spent || expired) && next != Next::Queued
        }
        (Outcome::Lost, over) => {
            over.is_some() == (forsaken || expired) && !matches!(next, Next::Scheduled { .. })
        }
        (Outcome::Again { .. } | Outcome::Released, Some(_)) => expired,
        (Outcome::Again { after }, None) => {
            let waits = |until: u64| until == at + after.0;
            !expired && matches!(next, Next::Scheduled { until, .. } if waits(until.0))
        }
        (Outcome::Released, None) => !expired && next == Next::Queued,
    }
}

/// Sandboxes return the attempt that they ran, so that the record shows whose result it took.
fn check_output(key: Key, attempt: Attempt, result: &Bytes) -> Check {
    let result = proto::AttemptResult::decode(result.clone());
    let said = result.ok().and_then(|result| result.output);
    let said = said.unwrap_or_default();
    match said == output(key, attempt).as_bytes() {
        true => Ok(()),
        false => Err(format!("the result is that of {said:?}")),
    }
}

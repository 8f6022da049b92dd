//! What a master refuses, checked against what is durable: a refusal says how things stand.

use capataz_engine::{Rejection, TaskId};
use capataz_server::owner::CallError;

use crate::client::{Kind, Told};
use crate::ledger::Ledger;
use crate::world::World;

/// How the master stands that refuses something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// Another one has begun to lead: it knows a prefix, and is believed.
    superseded: bool,
    /// What it says was computed from what was on record at this moment, or later.
    since: u64,
    /// All records together are more than the store may lag behind.
    may_lag: bool,
    /// It was told that the disk is full.
    was_full: bool,
}

impl World {
    /// How the master stands now.
    pub(crate) fn standing(&self) -> Standing {
        let process = self.master.process.as_ref();
        Standing {
            superseded: self.is_superseded(),
            since: process.map_or(0, |process| process.since),
            may_lag: self.ledger.bytes() > self.options.lag_max,
            was_full: process.is_some_and(|process| process.was_full),
        }
    }
}

/// Refusals are promises too: they say how things stand.
pub(crate) fn refused(
    ledger: &Ledger,
    kind: &Kind,
    error: CallError,
    standing: Standing,
) -> Result<Told, String> {
    let Standing {
        superseded, since, ..
    } = standing;
    let unfounded = || Err(format!("refused without a reason on record: {error}"));
    match &error {
        // It speaks of the prefix that it knows; what another one has accepted since is not in it.
        CallError::Rejected(Rejection::NotLive { .. }) if superseded => Ok(Told::Later),
        CallError::Overloaded { .. } if standing.may_lag => Ok(Told::Later),
        CallError::StorageFull if standing.was_full => Ok(Told::Later),
        CallError::Rejected(Rejection::DedupConflict { index, .. }) => {
            let Kind::Submit { bodies } = kind else {
                return Err(format!("refused with {error}"));
            };
            let dedup = bodies.get(*index).and_then(crate::client::dedup);
            match dedup.is_some_and(|(key, content)| ledger.stands_for_other(key, content)) {
                true => Ok(Told::Refused),
                false => Err(format!("refused without a reason on record: {error}")),
            }
        }
        CallError::Rejected(Rejection::NotLive { key }) => {
            let task = key.task().0;
            match ledger.was_revived(task) || ledger.has_ended(task) {
                true => Ok(Told::Refused),
                false => Err(format!("task {} lives on record: {error}", TaskId(task))),
            }
        }
        CallError::Rejected(Rejection::RunNotLive { .. }) if superseded => Ok(Told::Later),
        CallError::Rejected(Rejection::RunNotLive { run }) => {
            match (ledger.run(run.0).is_some_and(|run| run.ends > 0), kind) {
                // It has ended since it was looked up.
                (true, Kind::Reopen { .. }) => Ok(Told::Later),
                (true, _) => Ok(Told::Refused),
                (false, _) => Err(format!("run {run} lives on record: {error}")),
            }
        }
        // The lease was lost since it was looked at.
        CallError::Rejected(Rejection::StaleLease { .. }) => match kind {
            Kind::AddSteps(ask) if superseded || !ask.is_current(ledger) => Ok(Told::Refused),
            _ => unfounded(),
        },
        // Others have added steps meanwhile, or it is being cancelled: it looks again.
        CallError::Rejected(Rejection::RunNotExtended { .. })
            if matches!(kind, Kind::AddSteps(_)) =>
        {
            Ok(Told::Later)
        }
        CallError::Rejected(Rejection::RunKeyConflict { .. }) => {
            let key = match kind {
                Kind::StartRun(ask) => ask.run.key,
                _ => None,
            };
            match key.is_some_and(|key| ledger.stands_for_other(key.id, key.content)) {
                true => Ok(Told::Refused),
                false => Err(format!("refused without a reason on record: {error}")),
            }
        }
        CallError::Rejected(rejection)
            if superseded || is_founded(ledger, kind, rejection, since) =>
        {
            Ok(Told::Refused)
        }
        _ => unfounded(),
    }
}

/// Whether it can have been so at some moment since then.
fn is_founded(ledger: &Ledger, kind: &Kind, rejection: &Rejection, since: u64) -> bool {
    let asked = |run: &u64| ledger.run(*run).map(|run| &run.asked);
    match (rejection, kind) {
        (Rejection::StillLive { key }, Kind::Retry { .. }) => !ledger.was_over_since(*key, since),
        (Rejection::DuplicateInBatch { index, first }, Kind::Submit { bodies }) => {
            let key = |index: &usize| {
                let dedup = bodies.get(*index).and_then(crate::client::dedup);
                dedup.map(|(key, _)| key)
            };
            index != first && key(index).is_some() && key(index) == key(first)
        }
        (Rejection::UnknownWorkflow { name }, _) => !ledger.was_registered_since(name, since),
        (Rejection::RunConflict { holder }, Kind::StartRun(ask)) => {
            ledger.can_hold(*holder, ask.run.conflict.as_deref(), since)
        }
        (Rejection::RunConflict { holder }, Kind::Reopen { run, .. }) => {
            let conflict = asked(run).and_then(|asked| asked.conflict.as_deref());
            ledger.can_hold(*holder, conflict, since)
        }
        (Rejection::RunNotFinished { run }, Kind::Reopen { .. }) => {
            ledger.run(run.0).is_some_and(|run| run.cancels > 0)
        }
        // Who names a step names something.
        (Rejection::NothingToRunAgain { .. }, Kind::Reopen { step, .. }) => step.is_none(),
        // Leases of its tasks may be on their way out for a while.
        (Rejection::StepNotOver { .. }, Kind::Reopen { .. }) => true,
        _ => false,
    }
}

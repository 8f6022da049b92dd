//! What becomes of a task when an attempt starts, ends or is lost.

use bytes::Bytes;

use super::done;
use crate::command::{Decision, Ended, Outcome, Report, Usage};
use crate::event::{Change, Next};
use crate::id::{Attempt, Key};
use crate::planted::{Bug, planted};
use crate::reason::{Phase, Reason};
use crate::rejection::Rejection;
use crate::state::{Lease, State, Task};
use crate::time::{Span, Timestamp};

pub(super) fn start(
    state: &State,
    now: Timestamp,
    key: Key,
    attempt: Attempt,
    ago: Span,
) -> Result<Decision, Rejection> {
    let lease = current(state, key, attempt)?;
    if lease.started {
        return Ok(Decision::default());
    }
    let since = Timestamp(now.0.saturating_sub(ago.0)).max(lease.since);
    Ok(done(
        now,
        [Change::Started {
            key,
            attempt,
            since,
        }],
    ))
}

pub(super) fn report(state: &State, now: Timestamp, report: Report) -> Result<Decision, Rejection> {
    let Report {
        key,
        attempt,
        outcome,
        output,
        value,
        usage,
    } = report;
    let Some(lease) = state.leases.get(&(key, attempt)) else {
        // A lost attempt that is gone at last frees the slot that its pod holds for it.
        return match held_slot(state, key, attempt) {
            Some(change) => Ok(done(now, [change])),
            None => Err(Rejection::StaleLease { key, attempt }),
        };
    };
    if lease.revoked && !planted(Bug::CancelLosesToCompletion) {
        let ended = Ended::Reported;
        return Ok(done(
            now,
            [Change::LeaseReleased {
                key,
                attempt,
                ended,
            }],
        ));
    }
    let (outcome, returned) = kept(state, key, outcome, value);
    let next = next(state, now, key, attempt, &outcome);
    let ended = Ended::Reported;
    let ended = Change::AttemptEnded {
        key,
        attempt,
        ended,
        outcome,
        next,
        usage,
        output,
    };
    Ok(done(now, returned.into_iter().chain([ended])))
}

/// What a step returned, if other steps may refer to it. More than is kept of one, or of a run,
/// fails the attempt for good.
fn kept(state: &State, key: Key, outcome: Outcome, value: Bytes) -> (Outcome, Option<Change>) {
    let link = state.tasks.get(key.task()).and_then(Task::step);
    let wins = outcome == Outcome::Succeeded || planted(Bug::LosingOutputKept);
    let Some(link) = link.filter(|_| wins) else {
        return (outcome, None);
    };
    let Some(room) = state.output_room(key) else {
        return (outcome, None);
    };
    if value.len() > room {
        let (reason, fatal) = (Reason::OutputTooLarge, true);
        return (Outcome::Failed { reason, fatal }, None);
    }
    let returned = Change::StepReturned {
        run: link.run,
        step: link.step,
        element: link.element,
        value,
    };
    (outcome, Some(returned))
}

/// A single lease ran out.
pub(super) fn lose(
    state: &State,
    now: Timestamp,
    key: Key,
    attempt: Attempt,
) -> Result<Decision, Rejection> {
    match state.leases.get(&(key, attempt)) {
        Some(_) => Ok(done(now, [lost(state, now, key, attempt, Ended::Lost)])),
        None => Err(Rejection::StaleLease { key, attempt }),
    }
}

/// The event of an attempt that nobody will hear of again. `ended` says who knows: a worker that
/// has none of it, whose slot is free, or nobody.
pub(super) fn lost(
    state: &State,
    now: Timestamp,
    key: Key,
    attempt: Attempt,
    ended: Ended,
) -> Change {
    if state
        .leases
        .get(&(key, attempt))
        .is_some_and(|lease| lease.revoked)
    {
        return Change::LeaseReleased {
            key,
            attempt,
            ended,
        };
    }
    let outcome = Outcome::Lost;
    let next = next(state, now, key, attempt, &outcome);
    let (usage, output) = (Usage::default(), Bytes::new());
    Change::AttemptEnded {
        key,
        attempt,
        ended,
        outcome,
        next,
        usage,
        output,
    }
}

/// The event of an attempt that the leader ends because it ran too long. Its sandbox may go on,
/// so its slot is treated like that of a lost one.
pub(super) fn timed_out(state: &State, now: Timestamp, key: Key, attempt: Attempt) -> Change {
    let ended = Ended::Lost;
    if state
        .leases
        .get(&(key, attempt))
        .is_some_and(|lease| lease.revoked)
    {
        return Change::LeaseReleased {
            key,
            attempt,
            ended,
        };
    }
    let outcome = Outcome::Failed {
        reason: Reason::Timeout,
        fatal: false,
    };
    let next = next(state, now, key, attempt, &outcome);
    let (usage, output) = (Usage::default(), Bytes::new());
    Change::AttemptEnded {
        key,
        attempt,
        ended,
        outcome,
        next,
        usage,
        output,
    }
}

fn current(state: &State, key: Key, attempt: Attempt) -> Result<&Lease, Rejection> {
    let lease = state
        .leases
        .get(&(key, attempt))
        .filter(|lease| !lease.revoked);
    lease.ok_or(Rejection::StaleLease { key, attempt })
}

fn held_slot(state: &State, key: Key, attempt: Attempt) -> Option<Change> {
    let holds = |pod: &&crate::state::Pod| {
        pod.held
            .iter()
            .any(|held| (held.key, held.attempt) == (key, attempt))
    };
    let (id, _) = state.pods.iter().find(|(_, pod)| holds(pod))?;
    Some(Change::SlotReleased {
        pod: *id,
        key,
        attempt,
    })
}

fn next(state: &State, now: Timestamp, key: Key, attempt: Attempt, outcome: &Outcome) -> Next {
    let over = |phase, reason| Next::Over { phase, reason };
    let Some(task) = state.tasks.get(key.task()) else {
        return over(Phase::Failed, Reason::Error);
    };
    let policy = state.policies.get(task.policy);
    let unit = task.unit(key.index());
    let (failures, losses) = unit.map_or((0, 0), |unit| (unit.failures, u32::from(unit.lost)));
    // Only the first round can expire: an operator who opens another wants it to run.
    let expires = unit.is_some_and(|unit| unit.rounds == 0);
    let expired = expires && task.expires_at().is_some_and(|at| at <= now);
    match *outcome {
        Outcome::Succeeded => over(Phase::Succeeded, Reason::None),
        // No attempt starts after the task's time is over, whatever the last one came to.
        Outcome::Again { .. } | Outcome::Released if expired => {
            over(Phase::Failed, Reason::Expired)
        }
        Outcome::Again { after } => Next::Scheduled {
            until: now + after,
            reason: Reason::Again,
        },
        Outcome::Released => Next::Queued,
        Outcome::Lost if losses >= policy.max_lost => over(Phase::Failed, Reason::WorkerLost),
        Outcome::Lost if expired => over(Phase::Failed, Reason::Expired),
        Outcome::Lost => Next::Queued,
        Outcome::Failed { reason, fatal } => {
            let failures = failures.saturating_add(1);
            let fatal = fatal && !planted(Bug::FatalRetried);
            if fatal || failures >= policy.max_attempts || expired {
                return over(Phase::Failed, reason);
            }
            match policy.backoff.pause(failures, key, attempt) {
                Span(0) => Next::Queued,
                pause => Next::Scheduled {
                    until: now + pause,
                    reason: Reason::Backoff,
                },
            }
        }
    }
}

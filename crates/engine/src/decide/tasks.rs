//! Cancelling and retrying tasks.

use super::settings::check_room;
use super::{check_range, done};
use crate::command::{Decision, Ended, Revival};
use crate::event::Change;
use crate::id::{GroupId, Key};
use crate::limits;
use crate::planted::{Bug, planted};
use crate::reason::{Phase, Reason};
use crate::rejection::Rejection;
use crate::state::State;
use crate::time::Timestamp;

pub(super) fn cancel(
    state: &State,
    now: Timestamp,
    key: Key,
    note: String,
) -> Result<Decision, Rejection> {
    if !is_live(state, key) && !planted(Bug::EndedTwice) {
        return Err(Rejection::NotLive { key });
    }
    let (phase, reason) = (Phase::Cancelled, Reason::Requested);
    let mut changes = vec![Change::Closed {
        key,
        phase,
        reason,
        note,
    }];
    if planted(Bug::CancelFreesSlot) {
        let ended = Ended::Reported;
        let free = |key, attempt| Change::LeaseReleased {
            key,
            attempt,
            ended,
        };
        changes.extend(
            state
                .leases_of(key)
                .map(|((key, attempt), _)| free(key, attempt)),
        );
    }
    Ok(done(now, changes))
}

pub(super) fn retry(
    state: &State,
    now: Timestamp,
    revival: Revival,
) -> Result<Decision, Rejection> {
    let key = revival.key;
    // A cancelled attempt may still be on its way out: two leases of one task never overlap.
    let leased = state.leases_of(key).next().is_some() && !planted(Bug::RetryBesideLease);
    if is_live(state, key) || leased {
        return Err(Rejection::StillLive { key });
    }
    check_revival(state, &revival)?;
    let attempts = match planted(Bug::RetryResetsAttempts) {
        true => 0,
        false => revival.attempts,
    };
    let mut changes = Vec::new();
    let group = match state.group_names.get(&revival.group) {
        Some(group) => *group,
        None => {
            check_room(state.groups.len(), limits::GROUPS, "groups")?;
            let group = GroupId(state.groups.len() as u32);
            changes.push(Change::GroupCreated {
                group,
                name: revival.group,
            });
            group
        }
    };
    changes.push(Change::Revived {
        key,
        group,
        policy: revival.policy,
        priority: revival.priority,
        affinity: revival.affinity,
        submitted_at: revival.submitted_at,
        attempts,
        rounds: revival.rounds,
        dedup: revival.dedup,
    });
    Ok(done(now, changes))
}

/// The store remembers what it says; what no task can have is refused all the same.
fn check_revival(state: &State, revival: &Revival) -> Result<(), Rejection> {
    let key = revival.key;
    let accepted = 1..state.next_task().0;
    let is_array = state
        .tasks
        .get(key.task())
        .is_some_and(|task| task.array().is_some() != key.index().is_some());
    if !accepted.contains(&key.task().0) || is_array {
        return Err(Rejection::NotLive { key });
    }
    let (least, most) = (limits::PRIORITY_MIN, limits::PRIORITY_MAX);
    let priority = u64::from(revival.priority);
    check_range("priority", least.into(), most.into(), priority)?;
    let attempts = u64::from(revival.attempts);
    check_range("attempts", 0, limits::ATTEMPTS.into(), attempts)?;
    let keys = revival.affinity.len() as u64;
    check_range("affinity", 0, limits::AFFINITY_KEYS as u64, keys)?;
    check_room(
        state.live_tasks() as usize,
        limits::LIVE_TASKS as usize,
        "tasks",
    )
}

/// Whether a task, an array or an element can still change in this round.
pub(super) fn is_live(state: &State, key: Key) -> bool {
    let Some(task) = state.tasks.get(key.task()) else {
        return false;
    };
    match (key.index(), task.array()) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(index), Some(_)) => task.unit(Some(index)).is_some() || task.is_untouched(index),
    }
}

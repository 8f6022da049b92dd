//! Cancelling and retrying tasks.

use super::done;
use crate::command::{Decision, Revival};
use crate::event::Change;
use crate::id::{GroupId, Key};
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
    if !is_live(state, key) {
        return Err(Rejection::NotLive { key });
    }
    let (phase, reason) = (Phase::Cancelled, Reason::Requested);
    Ok(done(
        now,
        [Change::Closed {
            key,
            phase,
            reason,
            note,
        }],
    ))
}

pub(super) fn retry(
    state: &State,
    now: Timestamp,
    revival: Revival,
) -> Result<Decision, Rejection> {
    let key = revival.key;
    // A cancelled attempt may still be on its way out: two leases of one task never overlap.
    if is_live(state, key) || state.leases_of(key).next().is_some() {
        return Err(Rejection::StillLive { key });
    }
    let mut changes = Vec::new();
    let group = match state.group_names.get(&revival.group) {
        Some(group) => *group,
        None => {
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
        attempts: revival.attempts,
        rounds: revival.rounds,
        dedup: revival.dedup,
    });
    Ok(done(now, changes))
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

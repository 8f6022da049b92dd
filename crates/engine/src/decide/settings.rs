//! What operators set on groups and pods.

use super::{check_range, done};
use crate::command::{Decision, PodSettings};
use crate::event::Change;
use crate::id::{GroupId, PodId};
use crate::limits;
use crate::rejection::Rejection;
use crate::state::State;
use crate::time::Timestamp;

pub(super) fn set_group(
    state: &State,
    now: Timestamp,
    name: String,
    max_running: Option<Option<u32>>,
    paused: Option<bool>,
) -> Result<Decision, Rejection> {
    let mut changes = Vec::new();
    let group = match state.group_names.get(&name) {
        Some(group) => *group,
        None => {
            check_room(state.groups.len(), limits::GROUPS, "groups")?;
            let group = GroupId(state.groups.len() as u32);
            changes.push(Change::GroupCreated { group, name });
            group
        }
    };
    changes.push(Change::GroupSet {
        group,
        max_running,
        paused,
    });
    Ok(done(now, changes))
}

pub(super) fn set_pod(
    state: &State,
    now: Timestamp,
    name: String,
    settings: PodSettings,
) -> Result<Decision, Rejection> {
    if let Some(slots) = settings.slots {
        check_range("slots", 1, u64::from(limits::SLOTS), u64::from(slots))?;
    }
    let mut changes = Vec::new();
    let pod = match state.pod_names.get(&name) {
        Some(pod) => *pod,
        None => {
            check_room(state.pods.len(), limits::PODS, "pods")?;
            let pod = PodId(state.meta.next_pod);
            changes.push(Change::PodCreated {
                pod,
                name,
                slots: 1,
            });
            pod
        }
    };
    changes.push(Change::PodSet { pod, settings });
    Ok(done(now, changes))
}

pub(super) fn release_pod(
    state: &State,
    now: Timestamp,
    name: String,
) -> Result<Decision, Rejection> {
    match state.pod_names.get(&name) {
        Some(pod) => Ok(done(now, [Change::PodReleased { pod: *pod }])),
        None => Err(Rejection::UnknownPod { name }),
    }
}

/// Refuses one more of something that is full.
pub(super) fn check_room(used: usize, limit: usize, what: &'static str) -> Result<(), Rejection> {
    if used < limit {
        return Ok(());
    }
    Err(Rejection::Full {
        what,
        limit: limit as u64,
    })
}

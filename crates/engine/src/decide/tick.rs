//! What time alone brings about.

use super::report::timed_out;
use crate::event::Change;
use crate::id::Key;
use crate::limits;
use crate::reason::{Phase, Reason};
use crate::state::{Array, State, Timer, UnitPhase};
use crate::time::Timestamp;

pub(super) fn tick(state: &State, now: Timestamp) -> Vec<Change> {
    let due = state.timers.due(now).take(limits::TIMERS_PER_TICK);
    due.filter_map(|timer| fire(state, now, timer)).collect()
}

fn fire(state: &State, now: Timestamp, timer: Timer) -> Option<Change> {
    match timer {
        Timer::Due(key) => Some(Change::Due { key }),
        Timer::Expire(key) => expire(state, key),
        Timer::Timeout(key, attempt) => Some(timed_out(state, now, key, attempt)),
        Timer::ForgetPod(pod) => Some(Change::PodForgotten { pod }),
    }
}

/// What has not started fails. A task that runs is left alone: it is only not tried again.
fn expire(state: &State, key: Key) -> Option<Change> {
    let task = state.tasks.get(key.task())?;
    let waits = match task.array() {
        Some(array) => Array::untouched(array) > 0,
        None => !matches!(task.unit.phase, UnitPhase::Running),
    };
    let (phase, reason) = (Phase::Failed, Reason::Expired);
    let note = String::new();
    waits.then_some(Change::Closed {
        key,
        phase,
        reason,
        note,
    })
}

//! What time alone brings about.

use std::collections::BTreeSet;

use super::report::timed_out;
use crate::event::Change;
use crate::id::{Key, TaskId};
use crate::limits;
use crate::reason::{Phase, Reason};
use crate::state::{State, Timer};
use crate::time::Timestamp;

pub(super) fn tick(state: &State, now: Timestamp) -> Vec<Change> {
    let due: Vec<Timer> = state
        .timers
        .due(now)
        .take(limits::TIMERS_PER_TICK)
        .collect();
    let expired: BTreeSet<TaskId> = due
        .iter()
        .filter_map(|timer| match timer {
            Timer::Expire(key) => Some(key.task()),
            _ => None,
        })
        .collect();
    // What expires now does not become ready any more, although its delay is over, too.
    let ends = |timer: &Timer| match timer {
        Timer::Due(key) => expired.contains(&key.task()) && !is_retried(state, *key),
        _ => false,
    };
    due.into_iter()
        .filter(|timer| !ends(timer))
        .map(|timer| fire(state, now, timer))
        .collect()
}

/// Whether it is an element that an operator retried: its new round does not expire.
fn is_retried(state: &State, key: Key) -> bool {
    let unit = state
        .tasks
        .get(key.task())
        .and_then(|task| task.unit(key.index()));
    unit.is_some_and(|unit| unit.rounds > 0)
}

fn fire(state: &State, now: Timestamp, timer: Timer) -> Change {
    match timer {
        Timer::Due(key) => Change::Due { key },
        Timer::Expire(key) => expired(key),
        Timer::Timeout(key, attempt) => timed_out(state, now, key, attempt),
        Timer::ForgetPod(pod) => Change::PodForgotten { pod },
        Timer::HoldOver(workflow) => Change::HoldOver { workflow },
    }
}

/// What waits when its time is over fails. An attempt that runs is left alone, and so are those
/// of an array: it is only not tried again.
fn expired(key: Key) -> Change {
    Change::Closed {
        key,
        phase: Phase::Failed,
        reason: Reason::Expired,
        note: String::new(),
    }
}

//! What time alone brings about.

use super::report::timed_out;
use crate::event::Change;
use crate::id::Key;
use crate::limits;
use crate::reason::{Phase, Reason};
use crate::state::{State, Timer};
use crate::time::Timestamp;

pub(super) fn tick(state: &State, now: Timestamp) -> Vec<Change> {
    let due = state.timers.due(now).take(limits::TIMERS_PER_TICK);
    due.map(|timer| fire(state, now, timer)).collect()
}

fn fire(state: &State, now: Timestamp, timer: Timer) -> Change {
    match timer {
        Timer::Due(key) => Change::Due { key },
        Timer::Expire(key) => expired(key),
        Timer::Timeout(key, attempt) => timed_out(state, now, key, attempt),
        Timer::ForgetPod(pod) => Change::PodForgotten { pod },
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

//! A leader's two clocks, watched from outside: that it answers heartbeats within its term only,
//! and that its dates do not run away with the wall clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::clock::{SECOND, Time};
use crate::ledger::Violation;

/// What a leader may follow of one jump of the wall clock.
const FOLLOWED: u64 = 60 * SECOND;
/// What clocks may be fast by: more than any option draws.
const FAST_PERCENT: u64 = 5;

/// What is known of one leadership's clocks.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// True time and leader's time of its first record.
    began: Option<(Time, u64)>,
    /// Jumps of the wall clock since then.
    pub(crate) jumps: u64,
    /// When each record on its way left the owner, in the leader's monotonic time.
    sent: VecDeque<(u64, Duration)>,
    /// When the newest durable record was sent.
    confirmed: Duration,
    /// When heartbeats arrived, by connection and number.
    heard: BTreeMap<(u64, u64), Duration>,
}

impl Pace {
    /// A record for `position` leaves the owner; its last event is of `at`.
    pub(crate) fn sends(
        &mut self,
        position: u64,
        now: Time,
        mono: Duration,
        at: u64,
    ) -> Result<(), Violation> {
        self.sent.push_back((position, mono));
        let (began, date) = *self.began.get_or_insert((now, at));
        let elapsed = (now - began) * (100 + FAST_PERCENT) / 100;
        let latest = date + elapsed + FOLLOWED * (self.jumps + 1);
        match at <= latest {
            true => Ok(()),
            false => Err(format!(
                "the leader's time is {at}, and cannot be later than {latest}"
            )),
        }
    }

    /// Records below `tail` are durable.
    pub(crate) fn confirms(&mut self, tail: u64) {
        while let Some((_, sent)) = self.sent.front().filter(|(position, _)| *position < tail) {
            self.confirmed = *sent;
            self.sent.pop_front();
        }
    }

    /// A leadership is announced at `mono`: its first record is durable.
    pub(crate) fn leads(&mut self, mono: Duration) {
        self.confirmed = mono;
    }

    /// A heartbeat arrives.
    pub(crate) fn hears(&mut self, connection: u64, sequence: u64, mono: Duration) {
        self.heard.insert((connection, sequence), mono);
    }

    /// A heartbeat is answered: who answers must have led, for all it knows, when it arrived.
    pub(crate) fn answers(
        &mut self,
        connection: u64,
        sequence: u64,
        term: Duration,
    ) -> Result<(), Violation> {
        let Some(heard) = self.heard.remove(&(connection, sequence)) else {
            return Err(format!("heartbeat {sequence} is answered that nobody sent"));
        };
        match heard <= self.confirmed + term {
            true => Ok(()),
            false => Err(format!(
                "a heartbeat of {heard:?} is answered in a term that began at {:?}",
                self.confirmed
            )),
        }
    }
}

//! Clocks of nodes: each has its own rate and its own idea of the date. True time is the
//! simulation's, in microseconds since it began; no node ever sees it.

use std::time::Duration;

use capataz_engine::Timestamp;
use capataz_server::clock::Now;

/// Microseconds of true time.
pub(crate) type Time = u64;

pub(crate) const MS: Time = 1_000;
pub(crate) const SECOND: Time = 1_000_000;

/// The date on which every simulation begins.
const BEGIN: u64 = 1_800_000_000 * SECOND;
/// What every monotonic clock shows when its simulation begins: no zero, so that a lease cannot
/// pass for one that never was.
const BOOT: u64 = 1_000 * SECOND;
const MILLION: i128 = 1_000_000;

/// The clocks of one node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NodeClock {
    /// By how many millionths it is fast.
    pub(crate) drift: i64,
    /// By how much its date is off, in microseconds.
    pub(crate) offset: i64,
}

impl NodeClock {
    /// Monotonic time, suspended time included.
    pub(crate) fn mono(&self, now: Time) -> Duration {
        let scaled = i128::from(now) * (MILLION + i128::from(self.drift)) / MILLION;
        Duration::from_micros(BOOT + scaled as u64)
    }

    /// Both clocks.
    pub(crate) fn read(&self, now: Time) -> Now {
        let mono = self.mono(now);
        let date = BEGIN + mono.as_micros() as u64;
        Now {
            wall: Timestamp(date.saturating_add_signed(self.offset)),
            mono,
        }
    }

    /// The first moment at which the monotonic clock shows `mono` or more.
    pub(crate) fn when(&self, mono: Duration) -> Time {
        let micros = mono.as_nanos().div_ceil(1_000) as u64;
        let since = i128::from(micros.saturating_sub(BOOT));
        let rate = MILLION + i128::from(self.drift);
        let time = (since * MILLION + rate - 1) / rate;
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_what_it_was_asked_for_and_not_before() {
        for drift in [-40_000, 0, 40_000] {
            let clock = NodeClock { drift, offset: 0 };
            for mono in [BOOT, BOOT + 1, BOOT + 12_345_678] {
                let mono = Duration::from_micros(mono);
                let time = clock.when(mono);
                assert!(clock.mono(time) >= mono);
                assert!(time == 0 || clock.mono(time - 1) < mono);
            }
        }
    }
}

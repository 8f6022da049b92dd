//! Time as the leader counts it.

use std::time::{Duration, Instant};

use capataz_engine::Timestamp;
use capataz_engine::planted::{Bug, planted};

/// A jump of the wall clock by more than this raises an alarm and is not followed, so that it
/// expires nothing.
const JUMP: Duration = Duration::from_secs(60);

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Microseconds since 1970, UTC, as the host says.
    pub wall: Timestamp,
    /// Time since some fixed moment, which never goes back: what leases are measured in.
    pub mono: Duration,
}

/// Reads the host's clocks. The simulation has one of its own.
#[derive(Clone, Debug)]
pub struct HostClock {
    origin: Instant,
}

impl Default for HostClock {
    fn default() -> HostClock {
        HostClock {
            origin: Instant::now(),
        }
    }
}

impl HostClock {
    /// The time now.
    pub fn now(&self) -> Now {
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_micros() as u64);
        Now {
            wall: Timestamp(wall),
            mono: self.origin.elapsed(),
        }
    }
}

/// The host's wall clock: what relative times in a request count from.
pub(crate) fn wall() -> Timestamp {
    HostClock::default().now().wall
}

/// The leader's time: `max(wall, last + monotonic elapsed)`, so that it never goes back, unless the
/// wall clock jumps.
#[derive(Debug)]
pub(crate) struct LeaderClock {
    last: Timestamp,
    read_at: Duration,
    alarmed: bool,
}

impl LeaderClock {
    /// A clock that starts no earlier than the last recorded event.
    pub(crate) fn new(now: Now, last_event: Timestamp) -> LeaderClock {
        LeaderClock {
            last: now.wall.max(last_event),
            read_at: now.mono,
            alarmed: false,
        }
    }

    /// The leader's time at a reading of the host's clocks.
    pub(crate) fn read(&mut self, now: Now) -> Timestamp {
        let elapsed = now.mono.saturating_sub(self.read_at);
        let expected = Timestamp(self.last.0 + elapsed.as_micros() as u64);
        let ahead = now.wall.0.saturating_sub(expected.0);
        let jumped = ahead > JUMP.as_micros() as u64;
        if jumped && !self.alarmed {
            let seconds = ahead / 1_000_000;
            tracing::error!(
                seconds,
                "the wall clock jumped ahead; timers do not follow it"
            );
        }
        self.alarmed = jumped;
        self.last = if jumped && !planted(Bug::JumpFollowed) {
            expected
        } else {
            now.wall.max(expected)
        };
        self.read_at = now.mono;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_secs: u64, mono_secs: u64) -> Now {
        Now {
            wall: Timestamp(wall_secs * 1_000_000),
            mono: Duration::from_secs(mono_secs),
        }
    }

    #[test]
    fn time_never_goes_back_and_a_jump_is_not_followed() {
        let mut clock = LeaderClock::new(at(1_000, 0), Timestamp(0));
        assert_eq!(clock.read(at(1_001, 1)), Timestamp(1_001_000_000));
        assert_eq!(
            clock.read(at(900, 2)),
            Timestamp(1_002_000_000),
            "backwards"
        );
        assert_eq!(
            clock.read(at(1_010, 3)),
            Timestamp(1_010_000_000),
            "small correction"
        );
        assert_eq!(clock.read(at(5_000, 4)), Timestamp(1_011_000_000), "jump");
    }
}

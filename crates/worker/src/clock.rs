//! The clock of leases: `CLOCK_BOOTTIME`, which counts the time a machine spends suspended.
//!
//! `std::time::Instant` stands still in a suspend, so a lease measured with it would still look
//! alive on a laptop that was opened an hour later. Values are only comparable on one host and one
//! boot; they never travel to a master.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment on this host since it booted, suspended time included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Boottime {
    nanos: u64,
}

impl Boottime {
    /// A deadline that never comes.
    pub const NEVER: Boottime = Boottime { nanos: u64::MAX };

    /// This moment.
    pub fn now() -> Boottime {
        let time = clock_gettime(ClockId::CLOCK_BOOTTIME)
            .expect("CLOCK_BOOTTIME exists since Linux 2.6.39");
        Boottime::from_boot(Duration::from(time))
    }

    /// The moment `since` after the boot; [`Boottime::NEVER`] when it is 584 years or more.
    pub fn from_boot(since: Duration) -> Boottime {
        Boottime {
            nanos: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// The time from the boot to this moment.
    pub fn since_boot(self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// The time that is left until this moment, zero when it has passed.
    pub fn remaining(self, now: Boottime) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(now.nanos))
    }
}

impl std::ops::Add<Duration> for Boottime {
    type Output = Boottime;

    fn add(self, span: Duration) -> Boottime {
        Boottime::from_boot(self.since_boot().saturating_add(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_beyond_the_range_is_never() {
        assert_eq!(Boottime::now() + Duration::MAX, Boottime::NEVER);
    }

    #[test]
    fn remaining_is_zero_once_passed() {
        let now = Boottime::now();
        let later = now + Duration::from_secs(2);
        assert_eq!(later.remaining(now), Duration::from_secs(2));
        assert_eq!(now.remaining(later), Duration::ZERO);
    }
}

//! How long to wait before the next connection.

use std::time::Duration;

/// The longest pause after the first failure.
const BASE: Duration = Duration::from_millis(100);
/// The longest pause ever: a master that is back has its workers back within this time.
const CAP: Duration = Duration::from_secs(5);

/// Full jitter: a pause between zero and a bound that doubles with each failure, so that a
/// thousand workers of a restarted master do not come back in step.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Backoff {
        Backoff {
            failures: 0,
            random: seed,
        }
    }

    /// The pause after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let bound = BASE.saturating_mul(1 << self.failures.min(16)).min(CAP);
        self.failures = self.failures.saturating_add(1);
        let share = (self.draw() >> 11) as f64 / (1u64 << 53) as f64;
        bound.mul_f64(share)
    }

    /// All is well again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// SplitMix64: four lines that need no state but a number.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_spread() {
        let mut backoff = Backoff::new(7);
        assert!(backoff.next() <= BASE);
        let late: Vec<Duration> = (0..200).map(|_| backoff.next()).collect();
        assert!(late.iter().all(|pause| *pause <= CAP));
        assert!(late.iter().any(|pause| *pause > CAP / 2));
        assert!(
            late[20..].iter().any(|pause| *pause < CAP / 4),
            "full jitter"
        );
        backoff.reset();
        assert!(backoff.next() <= BASE);
    }
}

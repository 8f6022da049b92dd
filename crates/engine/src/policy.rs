//! How often and how long a task is tried.

use serde::{Deserialize, Serialize};

use crate::id::{Attempt, Key};
use crate::time::Span;

/// What happens when attempts fail or are lost. Tasks with equal policies share one in memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// Failed attempts after which the task fails; at least 1.
    pub max_attempts: u32,
    /// Lost attempts that are forgiven; 0 fails the task with the first lost worker.
    pub max_lost: u32,
    /// The pause before a failed attempt is tried again.
    pub backoff: Backoff,
    /// How long one attempt may run.
    pub timeout: Option<Span>,
}

/// An exponential pause with a cap and jitter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Backoff {
    /// The pause after the first failure.
    pub initial: Span,
    /// What the pause is multiplied with after each further failure, in hundredths.
    pub factor_percent: u32,
    /// The longest pause.
    pub cap: Span,
    /// By how much the pause is spread, in percent of itself, downwards.
    pub jitter_percent: u8,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            max_attempts: 1,
            max_lost: 3,
            backoff: Backoff::default(),
            timeout: None,
        }
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            initial: Span::secs(1),
            factor_percent: 200,
            cap: Span::secs(300),
            jitter_percent: 25,
        }
    }
}

impl Backoff {
    /// The pause after the `failures`-th failure (from 1). The jitter comes from the key and the
    /// attempt, so that it is spread over tasks and yet the same in every replay.
    pub fn pause(&self, failures: u32, key: Key, attempt: Attempt) -> Span {
        let mut pause = self.initial.0.min(self.cap.0);
        for _ in 1..failures.min(64) {
            pause = pause.saturating_mul(u64::from(self.factor_percent)) / 100;
            if pause >= self.cap.0 {
                pause = self.cap.0;
                break;
            }
        }
        let spread = pause / 100 * u64::from(self.jitter_percent.min(100));
        let dice = scramble(key.to_raw() ^ u64::from(attempt).rotate_left(32));
        Span(pause - if spread == 0 { 0 } else { dice % (spread + 1) })
    }
}

/// Spreads the bits of a number (the finalizer of splitmix64).
fn scramble(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TaskId;

    #[test]
    fn pauses_grow_up_to_the_cap_and_jitter_only_shortens() {
        let backoff = Backoff::default();
        let key = TaskId(1).key();
        for failures in 1..40 {
            let full = Span::secs(1 << (failures - 1).min(9))
                .0
                .min(Span::secs(300).0);
            let pause = backoff.pause(failures, key, failures).0;
            assert!(
                pause <= full && pause >= full / 100 * 74,
                "{failures}: {pause} of {full}"
            );
        }
    }
}

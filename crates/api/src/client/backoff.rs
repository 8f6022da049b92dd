//! When to try again, and when to give up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::ClientConfig;

/// The longest first pause.
const BASE: Duration = Duration::from_millis(100);
/// The longest pause of all.
const CAP: Duration = Duration::from_secs(30);

/// How patient a client is; shared by all its connections.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    retry_for: Duration,
    first_contact: Duration,
    reached: Arc<AtomicBool>,
}

/// The tries of one call.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    patience: &'a Patience,
    began: Instant,
    failed: u32,
}

impl Patience {
    pub(super) fn new(config: &ClientConfig) -> Patience {
        Patience {
            retry_for: config.retry_for,
            first_contact: config.first_contact,
            reached: Arc::default(),
        }
    }

    /// The server has answered: from now on it is worth waiting for.
    pub(super) fn reached(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    pub(super) fn begin(&self) -> Tries<'_> {
        Tries {
            patience: self,
            began: Instant::now(),
            failed: 0,
        }
    }

    fn limit(&self) -> Duration {
        match self.reached.load(Ordering::Relaxed) {
            true => self.retry_for,
            false => self.first_contact,
        }
    }
}

impl Tries<'_> {
    /// The pause before the next try, at least as long as the server asked for; none when the time
    /// is up.
    pub(super) fn next_pause(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.next_pause_after(self.began.elapsed(), asked, rand::random())
    }

    fn next_pause_after(
        &mut self,
        elapsed: Duration,
        asked: Option<Duration>,
        dice: f64,
    ) -> Option<Duration> {
        // Full jitter: clients that failed together do not come back together.
        let longest = BASE.saturating_mul(1 << self.failed.min(16)).min(CAP);
        self.failed += 1;
        let pause = longest.mul_f64(dice).max(asked.unwrap_or_default());
        (elapsed + pause <= self.patience.limit()).then_some(pause)
    }

    /// Something worked: the next trouble is a new one.
    pub(super) fn reset(&mut self) {
        self.began = Instant::now();
        self.failed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_end_with_the_time() {
        let patience = Patience::new(&ClientConfig::default());
        patience.reached();
        let mut tries = patience.begin();
        let mut pause = |dice| tries.next_pause_after(Duration::ZERO, None, dice);
        assert_eq!(pause(1.0), Some(BASE));
        assert_eq!(pause(1.0), Some(BASE * 2));
        assert_eq!(pause(0.0), Some(Duration::ZERO));
        for _ in 0..40 {
            assert!(pause(1.0).is_some_and(|pause| pause <= CAP));
        }
        let over = Duration::from_secs(61);
        assert_eq!(tries.next_pause_after(over, None, 0.0), None);
    }

    #[test]
    fn the_server_may_ask_for_a_longer_pause() {
        let patience = Patience::new(&ClientConfig::default());
        patience.reached();
        let mut tries = patience.begin();
        let asked = Duration::from_secs(5);
        let pause = tries.next_pause_after(Duration::ZERO, Some(asked), 1.0);
        assert_eq!(pause, Some(asked));
    }

    #[test]
    fn a_server_that_never_answered_is_given_up_soon() {
        let patience = Patience::new(&ClientConfig::default());
        let second = Duration::from_secs(1);
        assert_eq!(patience.begin().next_pause_after(second, None, 0.0), None);
    }
}

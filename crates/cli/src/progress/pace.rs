//! How fast it goes, over the last while.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back a rate looks: long enough to be steady, short enough to notice a change.
const WINDOW: Duration = Duration::from_secs(30);

/// Samples kept; polls come about four times a second.
const SAMPLES: usize = 256;

/// Counts over time.
#[derive(Default)]
pub(super) struct Pace {
    samples: VecDeque<(Instant, u64)>,
}

impl Pace {
    pub(super) fn record(&mut self, now: Instant, done: u64) {
        self.samples.push_back((now, done));
        // One sample at or before the window's edge stays, so that the window is always covered.
        let old = |sample: &(Instant, u64)| now.duration_since(sample.0) > WINDOW;
        while self.samples.len() > SAMPLES || self.samples.get(1).is_some_and(old) {
            self.samples.pop_front();
        }
    }

    /// `None` until there are two moments to compare.
    pub(super) fn per_second(&self) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.0.duration_since(first.0).as_secs_f64();
        (seconds > 0.0).then(|| last.1.saturating_sub(first.1) as f64 / seconds)
    }
}

/// Seconds as a person says them: the two largest units.
pub(super) fn spoken(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_forgets_what_was_long_ago() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.record(start, 0);
        assert_eq!(pace.per_second(), None);
        pace.record(start + Duration::from_secs(10), 1_000);
        assert_eq!(pace.per_second(), Some(100.0));
        for second in 11..=60 {
            pace.record(start + Duration::from_secs(second), 1_000);
        }
        assert_eq!(pace.per_second(), Some(0.0));
    }

    #[test]
    fn times_are_spoken_in_two_units() {
        let spoken = [0.2, 59.0, 61.0, 3_700.0, 90_000.0].map(spoken);
        assert_eq!(spoken, ["1s", "59s", "1m 01s", "1h 01m", "1d 01h"]);
    }
}

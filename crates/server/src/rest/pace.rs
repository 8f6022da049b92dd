//! How fast tasks come and end: counts of the last minute, taken now and then.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use capataz_api::rest::Counts;

/// The time that a rate is taken over.
const WINDOW: Duration = Duration::from_secs(60);
/// Between two counts of the same.
const STEP: Duration = Duration::from_secs(2);
/// Tags whose counts are remembered: those that somebody asks for.
const TAGS: usize = 1_000;

/// Tasks per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rate {
    pub(super) submitted: f64,
    pub(super) finished: f64,
}

#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    total: u64,
    ended: u64,
}

/// Counts of the last minute.
pub(super) struct Pace {
    since: Instant,
    groups: Mutex<HashMap<String, VecDeque<Sample>>>,
    tags: Mutex<HashMap<String, VecDeque<Sample>>>,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace {
            since: Instant::now(),
            groups: Mutex::default(),
            tags: Mutex::default(),
        }
    }

    pub(super) fn uptime(&self) -> Duration {
        self.since.elapsed()
    }

    /// The rate of a group, whose counts are these now; the empty name is all groups.
    pub(super) fn of_group(&self, group: &str, counts: &Counts) -> Rate {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        rate(groups.entry(group.to_owned()).or_default(), counts)
    }

    /// The rate of a tag, whose counts are these now: since it was asked for before.
    pub(super) fn of_tag(&self, tag: &str, counts: &Counts) -> Rate {
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        if tags.len() >= TAGS && !tags.contains_key(tag) {
            let fresh = |samples: &VecDeque<Sample>| {
                samples
                    .back()
                    .is_some_and(|sample| sample.at.elapsed() < WINDOW)
            };
            tags.retain(|_, samples| fresh(samples));
            if tags.len() >= TAGS {
                tags.clear();
            }
        }
        rate(tags.entry(tag.to_owned()).or_default(), counts)
    }
}

fn rate(samples: &mut VecDeque<Sample>, counts: &Counts) -> Rate {
    let now = Sample {
        at: Instant::now(),
        total: counts.total(),
        ended: counts.ended(),
    };
    while samples.len() > 1 && now.at - samples[0].at > WINDOW {
        samples.pop_front();
    }
    let rate = samples.front().map(|first| {
        let seconds = (now.at - first.at).as_secs_f64().max(0.001);
        // Retention takes ended tasks out of a tag's counts: a rate is never negative.
        Rate {
            submitted: now.total.saturating_sub(first.total) as f64 / seconds,
            finished: now.ended.saturating_sub(first.ended) as f64 / seconds,
        }
    });
    if samples.back().is_none_or(|last| now.at - last.at >= STEP) {
        samples.push_back(now);
    }
    rate.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_two_counts() {
        let pace = Pace::new();
        let counts = |queued, succeeded| Counts {
            queued,
            succeeded,
            ..Counts::default()
        };
        assert_eq!(pace.of_group("g", &counts(5, 0)), Rate::default());
        std::thread::sleep(Duration::from_millis(5));
        let rate = pace.of_group("g", &counts(5, 10));
        assert!(rate.finished > 0.0 && rate.finished <= 2_000.0, "{rate:?}");
        assert_eq!(rate.finished, rate.submitted);
        assert_eq!(
            pace.of_tag("g", &counts(1, 1)),
            Rate::default(),
            "tags are counted apart"
        );
    }
}

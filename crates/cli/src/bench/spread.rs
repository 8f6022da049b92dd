//! How millions of measured times are spread, in memory that does not grow with them.

use super::figures::LatencyMillis;

/// Each bucket ends this much above its beginning: a percentile is wrong by at most that.
const GROWTH: f64 = 1.02;

/// Buckets from a microsecond up: the last ends beyond a day.
const BUCKETS: usize = 1_300;

/// Counts of times, by bucket.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }
}

impl Spread {
    /// Adds a time in milliseconds.
    pub(crate) fn add(&mut self, millis: f64) {
        let micros = (millis * 1e3).max(1.0);
        let bucket = (micros.ln() / GROWTH.ln()) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    /// Milliseconds that the fraction `part` of the times does not exceed; 0 when there are none.
    pub(crate) fn at(&self, part: f64) -> f64 {
        let place = ((part * self.total as f64).ceil() as u64).max(1);
        let mut below = 0;
        let found = self.counts.iter().position(|count| {
            below += count;
            below >= place
        });
        found.map_or(0.0, |bucket| GROWTH.powi(bucket as i32 + 1) / 1e3)
    }
}

impl From<&Spread> for LatencyMillis {
    fn from(spread: &Spread) -> LatencyMillis {
        LatencyMillis {
            p50: spread.at(0.5),
            p90: spread.at(0.9),
            p99: spread.at(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_within_a_bucket() {
        let mut spread = Spread::default();
        assert_eq!(spread.at(0.5), 0.0);
        (1..=1_000).for_each(|millis| spread.add(f64::from(millis)));
        for (part, value) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = spread.at(part);
            assert!((found / value - 1.0).abs() < 0.03, "{part}: {found}");
        }
        spread.add(1e12);
        spread.add(0.0);
    }
}

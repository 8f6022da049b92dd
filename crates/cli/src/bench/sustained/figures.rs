//! What `bench sustained` found.

use serde::Serialize;

use crate::bench::figures::LatencyMillis;
use crate::doctor::sync::SyncMillis;
use crate::output::{Report, Sheet};

/// The figures, with the load they were measured under.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Tasks a second that were due.
    pub(crate) rate: u64,
    /// For how long.
    pub(crate) seconds: u64,
    /// Worker processes.
    pub(crate) workers: u32,
    /// Slots of each worker's pod.
    pub(crate) slots: u32,
    /// Bytes of each payload.
    pub(crate) payload_bytes: usize,
    /// Tasks that ended, those that tell when they were started included.
    pub(crate) tasks: u64,
    /// Tasks a second until the last was acknowledged.
    pub(crate) submitted_per_s: f64,
    /// Tasks a second until the end of the last was durable.
    pub(crate) ended_per_s: f64,
    /// Tasks a second until the history showed the last.
    pub(crate) projected_per_s: f64,
    /// From when a task was due until it was acknowledged.
    pub(crate) submit_ms: LatencyMillis,
    /// The latest of them.
    pub(crate) submit_max_ms: f64,
    /// From a single submit beside that load to the start of its handler.
    pub(crate) start_ms: LatencyMillis,
    /// How far the history was behind.
    pub(crate) history_lag_s: Lag,
    /// The server's memory.
    pub(crate) rss_bytes: Growth,
    /// One append of 4 KiB and its sync on the same disk, at the start and at the end.
    pub(crate) raw_sync_ms: SyncMillis,
}

/// Seconds, over all looks.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Lag {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// Bytes at three times of the run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Growth {
    /// After a tenth of it.
    pub(crate) start: u64,
    pub(crate) middle: u64,
    pub(crate) end: u64,
}

impl Report for Figures {
    fn sheet(&self) -> Sheet {
        let millis = |of: LatencyMillis| format!("{:.2} {:.2} {:.2} ms", of.p50, of.p90, of.p99);
        let rss = self.rss_bytes;
        let (lag, raw) = (self.history_lag_s, self.raw_sync_ms);
        Sheet::of_fields([
            ("rate", format!("{}/s for {} s", self.rate, self.seconds)),
            (
                "workers",
                format!("{} with {} slots each", self.workers, self.slots),
            ),
            ("submitted", format!("{:.0}/s", self.submitted_per_s)),
            ("ended", format!("{:.0}/s", self.ended_per_s)),
            ("in the history", format!("{:.0}/s", self.projected_per_s)),
            ("due to acknowledged p50 p90 p99", millis(self.submit_ms)),
            ("  latest", format!("{:.2} ms", self.submit_max_ms)),
            ("submit to start p50 p90 p99", millis(self.start_ms)),
            (
                "history behind p50 p99 max",
                format!("{:.2} {:.2} {:.2} s", lag.p50, lag.p99, lag.max),
            ),
            (
                "memory, start middle end",
                format!(
                    "{} {} {} MiB",
                    rss.start >> 20,
                    rss.middle >> 20,
                    rss.end >> 20
                ),
            ),
            (
                "raw sync p50 p99",
                format!("{:.2} {:.2} ms", raw.p50, raw.p99),
            ),
        ])
    }

    fn ids(&self) -> Vec<String> {
        Vec::new()
    }
}

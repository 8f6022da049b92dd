//! What `bench queue` found.

use serde::Serialize;

use crate::doctor::sync::SyncMillis;
use crate::output::{Report, Sheet};
use crate::quantiles::Quantiles;

/// The figures, with the load they were measured under.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Tasks that were queued and drained.
    pub(crate) tasks: u64,
    /// Worker processes.
    pub(crate) workers: u32,
    /// Slots of each worker's pod.
    pub(crate) slots: u32,
    /// Submits a second, each sent when the one before was acknowledged.
    pub(crate) submit_one_per_s: f64,
    /// Each of them.
    pub(crate) submit_one_ms: CallMillis,
    /// The same with 64 of them in flight.
    pub(crate) submit_64_in_flight_per_s: f64,
    /// Each of these.
    pub(crate) submit_64_in_flight_ms: CallMillis,
    /// Tasks a second, submitted in the largest batches.
    pub(crate) submit_batch_per_s: f64,
    /// Each batch, with others under way.
    pub(crate) submit_batch_ms: CallMillis,
    /// One submit of an array of a million elements.
    pub(crate) submit_array_ms: f64,
    /// Tasks a second, from the first that was handed out to the last whose end is durable.
    pub(crate) drain_per_s: f64,
    /// From the lease of a drained task to the record of its end, of a sample.
    pub(crate) drain_ms: CallMillis,
    /// From a submit to the start of its handler, one at a time: each as soon as its caller has
    /// heard of the end of the one before.
    pub(crate) latency_ms: LatencyMillis,
    /// The same after a pause, from which processors have to wake.
    pub(crate) latency_after_pause_ms: LatencyMillis,
    /// From those submits until their caller has heard of the end.
    pub(crate) round_trip_ms: LatencyMillis,
    /// How far the history was behind when the last task ended.
    pub(crate) history_lag_s: f64,
    /// What the server's memory grew by for each queued task; null where it cannot be seen.
    pub(crate) rss_bytes_per_queued_task: Option<f64>,
    /// Syncs of the journal, over the whole run.
    pub(crate) syncs: u64,
    /// One append of 4 KiB to a growing file and its sync on the same disk, measured at the start
    /// and before and after the timed tasks.
    pub(crate) raw_sync_ms: SyncMillis,
}

/// What most calls took, and the slowest, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct CallMillis {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl From<&Quantiles> for CallMillis {
    fn from(values: &Quantiles) -> CallMillis {
        CallMillis {
            p50: values.at(0.5),
            p99: values.at(0.99),
            max: values.at(1.0),
        }
    }
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct LatencyMillis {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
}

impl From<&Quantiles> for LatencyMillis {
    fn from(values: &Quantiles) -> LatencyMillis {
        LatencyMillis {
            p50: values.at(0.5),
            p90: values.at(0.9),
            p99: values.at(0.99),
        }
    }
}

impl Report for Figures {
    fn sheet(&self) -> Sheet {
        let raw = self.raw_sync_ms;
        let millis = |value: f64| format!("{value:.2}");
        let latency = |of: LatencyMillis| [of.p50, of.p90, of.p99].map(millis).join(" ") + " ms";
        let calls = |of: CallMillis| [of.p50, of.p99, of.max].map(millis).join(" ") + " ms";
        let memory = self.rss_bytes_per_queued_task;
        Sheet::of_fields([
            ("tasks", self.tasks.to_string()),
            (
                "workers",
                format!("{} with {} slots each", self.workers, self.slots),
            ),
            (
                "submit, one at a time",
                format!("{:.0}/s", self.submit_one_per_s),
            ),
            ("  each p50 p99 max", calls(self.submit_one_ms)),
            (
                "submit, 64 in flight",
                format!("{:.0}/s", self.submit_64_in_flight_per_s),
            ),
            ("  each p50 p99 max", calls(self.submit_64_in_flight_ms)),
            (
                "submit, in batches",
                format!("{:.0}/s", self.submit_batch_per_s),
            ),
            ("  each batch p50 p99 max", calls(self.submit_batch_ms)),
            (
                "submit, an array of a million",
                format!("{:.1} ms", self.submit_array_ms),
            ),
            ("drain", format!("{:.0}/s", self.drain_per_s)),
            ("  lease to end p50 p99 max", calls(self.drain_ms)),
            ("submit to start p50 p90 p99", latency(self.latency_ms)),
            ("  after a pause", latency(self.latency_after_pause_ms)),
            ("  until its end is known", latency(self.round_trip_ms)),
            ("history behind", format!("{:.2} s", self.history_lag_s)),
            (
                "memory a queued task",
                memory.map(|b| format!("{b:.0} bytes")).unwrap_or_default(),
            ),
            ("syncs", self.syncs.to_string()),
            (
                "raw sync p50 p99",
                [raw.p50, raw.p99].map(millis).join(" ") + " ms",
            ),
        ])
    }

    fn ids(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_figures_are_a_promise() {
        let mut millis = Quantiles::default();
        millis.add(1.0);
        let calls = CallMillis::from(&millis);
        let figures = Figures {
            tasks: 1,
            workers: 2,
            slots: 3,
            submit_one_per_s: 0.0,
            submit_one_ms: calls,
            submit_64_in_flight_per_s: 0.0,
            submit_64_in_flight_ms: calls,
            submit_batch_per_s: 0.0,
            submit_batch_ms: calls,
            submit_array_ms: 0.0,
            drain_per_s: 0.0,
            drain_ms: calls,
            latency_ms: LatencyMillis::from(&millis),
            latency_after_pause_ms: LatencyMillis::from(&millis),
            round_trip_ms: LatencyMillis::from(&millis),
            history_lag_s: 0.0,
            rss_bytes_per_queued_task: None,
            syncs: 0,
            raw_sync_ms: SyncMillis::default(),
        };
        let json = serde_json::to_value(&figures).unwrap();
        let names: Vec<&String> = json.as_object().unwrap().keys().collect();
        let promised = [
            "tasks",
            "workers",
            "slots",
            "submit_one_per_s",
            "submit_one_ms",
            "submit_64_in_flight_per_s",
            "submit_64_in_flight_ms",
            "submit_batch_per_s",
            "submit_batch_ms",
            "submit_array_ms",
            "drain_per_s",
            "drain_ms",
            "latency_ms",
            "latency_after_pause_ms",
            "round_trip_ms",
            "history_lag_s",
            "rss_bytes_per_queued_task",
            "syncs",
            "raw_sync_ms",
        ];
        assert_eq!(names, promised);
        assert_eq!(
            json["latency_ms"],
            serde_json::json!({"p50": 1.0, "p90": 1.0, "p99": 1.0})
        );
        assert_eq!(
            json["drain_ms"],
            serde_json::json!({"p50": 1.0, "p99": 1.0, "max": 1.0})
        );
        assert_eq!(
            json["raw_sync_ms"],
            serde_json::json!({"p50": 0.0, "p99": 0.0})
        );
    }
}

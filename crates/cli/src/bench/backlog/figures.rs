//! What `bench backlog` found.

use serde::Serialize;

use super::probe::Submit;
use crate::bench::usage::Memory;
use crate::doctor::sync::SyncMillis;
use crate::output::{Report, Sheet};

/// The figures, with the load they were measured under.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Tasks that were queued at most.
    pub(crate) tasks: u64,
    /// Groups they were dealt to.
    pub(crate) groups: u32,
    /// Bytes of each payload.
    pub(crate) payload_bytes: usize,
    /// Whether each had a dedup key.
    pub(crate) dedup_keys: bool,
    /// Tasks a second that were acknowledged while the queue was filled.
    pub(crate) load_per_s: f64,
    /// How long the history took to show the last of them.
    pub(crate) catch_up_s: f64,
    /// Single submits of a second client.
    pub(crate) submit_ms: Submits,
    /// What the server's memory grew by for each task, from few queued to all.
    pub(crate) rss_bytes_per_queued_task: f64,
    /// The same from the middle on, when caches are full.
    pub(crate) rss_bytes_per_queued_task_second_half: f64,
    /// Memory at some lengths of the queue, each when the history was up to date.
    pub(crate) memory: Vec<Point>,
    /// Tasks that were drained of all.
    pub(crate) drained: u64,
    /// Tasks a second that ended, with few queued.
    pub(crate) dispatch_few_per_s: f64,
    /// The same with all queued.
    pub(crate) dispatch_many_per_s: f64,
    /// The second of these as a part of the first.
    pub(crate) dispatch_ratio: f64,
    /// From SIGKILL and start until `/readyz` answered 200.
    pub(crate) ready_s: f64,
    /// Queued tasks then: as many as before, or the benchmark fails.
    pub(crate) queued_after_restart: u64,
    /// The server's memory then.
    pub(crate) rss_bytes_after_restart: u64,
    /// What was written and kept.
    pub(crate) disk: Disk,
    /// One append of 4 KiB and its sync on the same disk, at the start and at the end.
    pub(crate) raw_sync_ms: SyncMillis,
}

/// Latencies of single submits, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Submits {
    /// With few queued and nothing else under way.
    pub(crate) few: Submit,
    /// While others submit all they can, and the store follows.
    pub(crate) loading: Submit,
    /// After that, while the store catches up.
    pub(crate) catching_up: Submit,
    /// With all queued and nothing else under way.
    pub(crate) idle: Submit,
}

/// Memory at a length of the queue.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Point {
    pub(crate) queued: u64,
    #[serde(flatten)]
    pub(crate) memory: Memory,
}

impl Point {
    /// Bytes that each further task took from here to there.
    pub(super) fn slope_to(&self, there: &Point) -> f64 {
        let grown = there.memory.rss_bytes as f64 - self.memory.rss_bytes as f64;
        grown / there.queued.saturating_sub(self.queued).max(1) as f64
    }
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Disk {
    /// Appended to the journal for each task, trimmed since or not.
    pub(crate) journal_written_bytes_per_task: f64,
    /// The journal's files when all were queued.
    pub(crate) journal_bytes: u64,
    /// The store's files then.
    pub(crate) store_bytes: u64,
    pub(crate) store_bytes_per_task: f64,
}

impl Report for Figures {
    fn sheet(&self) -> Sheet {
        let rate = |value: f64| format!("{value:.0}/s");
        let submit = |submit: &Submit| {
            let millis = submit.millis;
            format!("{:.2} {:.2} {:.2} ms", millis.p50, millis.p99, submit.max)
        };
        let keyed = if self.dedup_keys { ", with keys" } else { "" };
        let mut sheet = Sheet::of_fields([
            (
                "tasks",
                format!("{} in {} groups{keyed}", self.tasks, self.groups),
            ),
            ("load", rate(self.load_per_s)),
            ("history catches up", format!("{:.2} s", self.catch_up_s)),
            ("submit p50 p99 max, few", submit(&self.submit_ms.few)),
            ("  loading", submit(&self.submit_ms.loading)),
            ("  catching up", submit(&self.submit_ms.catching_up)),
            ("  all queued", submit(&self.submit_ms.idle)),
            (
                "memory a queued task",
                format!(
                    "{:.0} bytes, {:.0} in the second half",
                    self.rss_bytes_per_queued_task, self.rss_bytes_per_queued_task_second_half
                ),
            ),
            ("dispatch, few", rate(self.dispatch_few_per_s)),
            (
                "dispatch, all queued",
                format!(
                    "{} ({:.0} %)",
                    rate(self.dispatch_many_per_s),
                    self.dispatch_ratio * 100.0
                ),
            ),
            (
                "ready after SIGKILL",
                format!(
                    "{:.2} s, {} queued",
                    self.ready_s, self.queued_after_restart
                ),
            ),
        ]);
        for point in &self.memory {
            sheet.note(format!(
                "{} queued: {} MiB of memory",
                point.queued,
                point.memory.rss_bytes >> 20
            ));
        }
        sheet.note(format!(
            "on disk a task: {:.0} bytes in the store, {:.0} written to the journal",
            self.disk.store_bytes_per_task, self.disk.journal_written_bytes_per_task
        ));
        let raw = self.raw_sync_ms;
        sheet.note(format!(
            "raw sync p50 {:.2}, p99 {:.2} ms",
            raw.p50, raw.p99
        ));
        sheet
    }

    fn ids(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_what_each_further_task_takes() {
        let point = |queued, rss_bytes| Point {
            queued,
            memory: Memory {
                rss_bytes,
                anonymous_bytes: 0,
            },
        };
        let (few, many) = (point(100, 5_000), point(300, 25_000));
        assert_eq!(few.slope_to(&many), 100.0);
        assert_eq!(many.slope_to(&few), -20_000.0);
    }
}

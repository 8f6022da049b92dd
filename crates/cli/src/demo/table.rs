//! The results of the demo, gathered by kind of file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::measure::Measured;
use crate::output::{Report, Sheet};

/// All results.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    kinds: BTreeMap<String, Kind>,
    /// Which worker ran how many.
    workers: BTreeMap<String, u64>,
}

/// The files with one extension.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Kind {
    files: u64,
    bytes: u64,
    lines: u64,
    /// The file whose task took longest, and its milliseconds.
    slowest: String,
    slowest_ms: f64,
}

impl Summary {
    /// Adds the result of one task that `worker` ran in `taken`.
    pub(crate) fn add(&mut self, measured: &Measured, worker: &str, taken: Duration) {
        let path = Path::new(&measured.file);
        let extension = path.extension().and_then(|extension| extension.to_str());
        let kind = self
            .kinds
            .entry(extension.unwrap_or("(none)").to_owned())
            .or_default();
        kind.files += 1;
        kind.bytes += measured.bytes;
        kind.lines += measured.lines;
        let taken_ms = taken.as_secs_f64() * 1e3;
        if kind.slowest.is_empty() || taken_ms > kind.slowest_ms {
            (kind.slowest, kind.slowest_ms) = (measured.file.clone(), taken_ms);
        }
        *self.workers.entry(worker.to_owned()).or_default() += 1;
    }

    fn total(&self, of: impl Fn(&Kind) -> u64) -> u64 {
        self.kinds.values().map(of).sum()
    }
}

impl Report for Summary {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&["EXTENSION", "FILES", "BYTES", "LINES", "SLOWEST", "MS"]);
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, kind)| std::cmp::Reverse(kind.bytes));
        for (extension, kind) in kinds {
            let numbers = [kind.files, kind.bytes, kind.lines].map(|number| number.to_string());
            let slowest = [kind.slowest.clone(), format!("{:.1}", kind.slowest_ms)];
            sheet.row(
                std::iter::once(extension.clone())
                    .chain(numbers)
                    .chain(slowest),
            );
        }
        let sums = [
            self.total(|k| k.files),
            self.total(|k| k.bytes),
            self.total(|k| k.lines),
        ];
        sheet.row(
            ["all".to_owned()]
                .into_iter()
                .chain(sums.map(|sum| sum.to_string())),
        );
        let shares = self
            .workers
            .iter()
            .map(|(worker, tasks)| format!("{worker} {tasks}"));
        sheet.note(format!(
            "tasks run by: {}",
            shares.collect::<Vec<_>>().join(", ")
        ));
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.kinds.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(file: &str, bytes: u64) -> Measured {
        Measured {
            file: file.into(),
            sha256: String::new(),
            bytes,
            lines: bytes / 10,
        }
    }

    #[test]
    fn results_are_gathered_by_extension() {
        let mut summary = Summary::default();
        summary.add(&measured("a.rs", 100), "w1", Duration::from_millis(2));
        summary.add(&measured("b.rs", 50), "w2", Duration::from_millis(3));
        summary.add(&measured("LICENSE", 10), "w1", Duration::from_millis(1));
        let shown = summary.sheet().render(false);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>().join(" "),
            "rs 2 150 15 b.rs 3.0"
        );
        assert_eq!(
            lines[3].split_whitespace().collect::<Vec<_>>().join(" "),
            "all 3 160 16"
        );
        assert_eq!(lines[5], "tasks run by: w1 2, w2 1");
    }
}

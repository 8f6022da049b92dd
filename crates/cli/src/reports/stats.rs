//! How far it is, and how the server does.

use capataz_api::rest::{Progress, Stats};

use super::took;
use crate::output::{Report, Sheet};

impl Report for Stats {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[
            "",
            "SCHEDULED",
            "QUEUED",
            "RUNNING",
            "SUCCEEDED",
            "FAILED",
            "CANCELLED",
            "ENDED/S",
            "LEFT",
        ]);
        if let Some(tag) = &self.tag {
            row(&mut sheet, format!("tag {}", tag.tag), &tag.progress);
        }
        for group in &self.groups {
            row(&mut sheet, group.group.clone(), group);
        }
        row(&mut sheet, "all".to_owned(), &self.total);
        let (workers, pods, up) = (self.workers, self.pods, took(self.uptime));
        sheet.note(format!("workers {workers}, pods {pods}, up {up}"));
        if self.journal.lag.0 > 0 {
            sheet.note(format!(
                "lists and outputs are {} behind",
                took(self.journal.lag)
            ));
        }
        sheet.note(format!(
            "journal {}, store {}, free {}",
            mebibytes(self.disk.journal_bytes),
            mebibytes(self.disk.store_bytes),
            mebibytes(self.disk.free_bytes),
        ));
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.groups
            .iter()
            .map(|group| group.group.clone())
            .collect()
    }
}

fn row(sheet: &mut Sheet, name: String, progress: &Progress) {
    let counts = &progress.counts;
    let numbers = [
        counts.scheduled,
        counts.queued,
        counts.running,
        counts.succeeded,
        counts.failed,
        counts.cancelled,
    ];
    let numbers = numbers.map(|number| number.to_string());
    let left = progress
        .eta
        .filter(|eta| eta.0 > 0)
        .map(took)
        .unwrap_or_default();
    let rest = [format!("{:.1}", progress.finished_per_s), left];
    sheet.row(std::iter::once(name).chain(numbers).chain(rest));
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

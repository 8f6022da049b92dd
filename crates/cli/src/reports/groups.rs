//! Groups.

use capataz_api::rest::{Group, Items};

use super::yes;
use crate::output::{Report, Sheet};

impl Report for Items<Group> {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[
            "GROUP",
            "SCHEDULED",
            "QUEUED",
            "RUNNING",
            "SUCCEEDED",
            "FAILED",
            "CANCELLED",
            "MAX",
            "PAUSED",
        ]);
        for group in &self.items {
            let counts = &group.counts;
            let numbers = [
                counts.scheduled,
                counts.queued,
                counts.running,
                counts.succeeded,
                counts.failed,
                counts.cancelled,
            ];
            let bound = group
                .max_running
                .map(|bound| bound.to_string())
                .unwrap_or_default();
            let rest = [bound, yes(group.paused, "paused")];
            let numbers = numbers.map(|number| number.to_string());
            sheet.row(
                std::iter::once(group.name.clone())
                    .chain(numbers)
                    .chain(rest),
            );
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.items.iter().map(|group| group.name.clone()).collect()
    }
}

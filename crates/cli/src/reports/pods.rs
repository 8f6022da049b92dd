//! Pods.

use capataz_api::rest::{Items, OnLost, Pod};

use super::yes;
use crate::output::{Report, Sheet};

impl Report for Items<Pod> {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[
            "POD", "SLOTS", "USED", "HELD", "ON LOST", "PAUSED", "WORKERS",
        ]);
        for pod in &self.items {
            let on_lost = match pod.on_lost {
                OnLost::Time => "time",
                OnLost::Hold => "hold",
            };
            sheet.row([
                pod.name.clone(),
                pod.slots.to_string(),
                pod.used.to_string(),
                pod.held.len().to_string(),
                on_lost.to_owned(),
                yes(pod.paused, "paused"),
                pod.workers.join(", "),
            ]);
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.items.iter().map(|pod| pod.name.clone()).collect()
    }
}

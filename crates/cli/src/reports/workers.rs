//! Workers.

use capataz_api::rest::{Items, Worker};

use super::at;
use crate::output::{Report, Sheet};

impl Report for Items<Worker> {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[
            "WORKER", "POD", "GROUPS", "RUNNING", "STATE", "HOST", "BUILD", "SINCE",
        ]);
        for worker in &self.items {
            let state = match (worker.connected, worker.draining) {
                (false, _) => "disconnected",
                (true, true) => "draining",
                (true, false) => "connected",
            };
            sheet.row([
                worker.name.clone(),
                worker.pod.clone(),
                worker.groups.join(", "),
                format!("{}/{}", worker.running.len(), worker.concurrency),
                state.to_owned(),
                worker.host.clone(),
                worker.build.clone(),
                at(Some(worker.since)),
            ]);
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|worker| worker.name.clone())
            .collect()
    }
}

//! What became of a request to change something.

use serde::Serialize;

use crate::output::{Report, Sheet};

/// Something was done to something with a name.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    /// `group`, `pod` or `worker`.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) name: String,
    /// What it is now: `paused`, `resumed`, `set`, `released`, `draining`.
    pub(crate) done: &'static str,
}

impl Report for Done {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[]);
        sheet.row([format!("{} {}: {}", self.kind, self.name, self.done)]);
        sheet
    }

    fn ids(&self) -> Vec<String> {
        vec![self.name.clone()]
    }
}

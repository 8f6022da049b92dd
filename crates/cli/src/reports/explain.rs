//! Why something does not go on.

use capataz_api::rest::Explanation;

use crate::output::{Report, Sheet};

impl Report for Explanation {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[]);
        sheet.row([format!("{} {}", self.kind, self.id), self.state.clone()]);
        for obstacle in &self.obstacles {
            sheet.row([obstacle.kind.clone(), obstacle.text.clone()]);
        }
        sheet.note(self.summary.clone());
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.obstacles
            .iter()
            .map(|obstacle| obstacle.kind.clone())
            .collect()
    }
}

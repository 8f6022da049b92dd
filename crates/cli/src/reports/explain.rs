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
        if let (Some(run), Some(step)) = (&self.run, &self.step) {
            sheet.row(["step".to_owned(), format!("{step} of run {run}")]);
        }
        if self.obstacles.is_empty() {
            sheet.note(self.summary.clone());
        }
        if let Some(remedy) = &self.remedy {
            sheet.note(format!("to change that: {remedy}"));
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.obstacles
            .iter()
            .map(|obstacle| obstacle.kind.clone())
            .collect()
    }
}

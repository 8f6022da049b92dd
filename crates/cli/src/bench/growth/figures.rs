//! What `bench growth` found.

use serde::Serialize;

use crate::output::{Report, Sheet};

/// All points, in the order in which they were measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) points: Vec<Point>,
}

/// What dispatching a task costs at one size; as JSON, one line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Point {
    /// What grows: `queued`, `groups`, `pods` or `workers`.
    pub(crate) what: &'static str,
    /// How large it is.
    pub(crate) at: u64,
    /// Tasks that were dispatched and ended.
    pub(crate) tasks: u64,
    /// Processor time of the server for each of them, its history included, in microseconds.
    pub(crate) cpu_us_per_task: f64,
    /// Time for each of them, in microseconds.
    pub(crate) wall_us_per_task: f64,
}

impl Report for Figures {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&["WHAT", "AT", "TASKS", "CPU US/TASK", "WALL US/TASK"]);
        for point in &self.points {
            sheet.row([
                point.what.to_owned(),
                point.at.to_string(),
                point.tasks.to_string(),
                format!("{:.1}", point.cpu_us_per_task),
                format!("{:.1}", point.wall_us_per_task),
            ]);
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        Vec::new()
    }
}

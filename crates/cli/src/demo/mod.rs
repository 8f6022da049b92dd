//! The demo's own parts: which files, what is measured of one, and the table at the end.
//!
//! The work itself goes through the queue like anybody's: a task per file, run by child processes.

mod files;
mod measure;
mod table;

pub(crate) use files::{FILES_MAX, find};
pub(crate) use measure::measure;
pub(crate) use table::Summary;

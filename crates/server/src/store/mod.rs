//! The store: one SQLite file per namespace, always at one position of the journal.
//!
//! It keeps what the engine's state is made of (entries, for a restart), what the engine never
//! looks at (payloads, outputs, tags), and what has been (tasks, attempts). A [`Projector`] applies
//! batches of events to it, each transaction ending at a position; any number of [`Reader`]s look
//! at the last one committed. Printed logs go to a file of their own ([`LogStore`]): they are not
//! journaled and must never stand in the way of the store's position.
//!
//! The store never decides anything: whatever is in it was an event, or is derived from events by
//! the plain rules of `fold.rs`. It never repairs or deletes what it cannot read; it refuses, and
//! [`set_aside`] moves the file out of the way when the journal can rebuild it.
//!
//! Everything blocks; callers use threads of their own. `docs/design/store.md` has the reasons,
//! `docs/reference/store.md` the tables.

mod as_of;
mod aside;
mod attempts;
mod audit;
mod audit_part;
mod audit_row;
mod audit_settings;
mod batch;
mod bodies;
mod checkpoint;
mod counts;
mod cursor;
mod database;
mod disk;
mod elements;
mod entries;
mod flush;
mod fold;
mod graphs;
mod labels;
mod list;
mod live;
mod load;
mod logs;
mod meta;
mod open;
mod paced;
mod project;
mod reader;
mod retain;
mod retain_runs;
mod row;
mod row_sql;
mod run_blame;
mod run_flush;
mod run_load;
mod run_record;
mod run_row;
mod run_sql;
mod run_work;
mod runs;
mod schema;
mod step_times;
mod step_work;
mod tally;
mod task;
#[cfg(test)]
mod tests;
mod whole;
mod work;
mod workflows;

pub use aside::{SetAsideError, set_aside};
pub use attempts::AttemptRecord;
pub use audit::{AuditFilter, AuditRecord, SYSTEM_ACTOR};
pub use audit_row::Action;
pub use batch::Batch;
pub use bodies::BodyError;
pub use checkpoint::VerifyError;
pub use counts::StateCounts;
pub use cursor::{Cursor, ParseCursorError};
pub use database::Fault;
pub use entries::{LoadError, decode_key, encode_key};
pub use list::{Page, TaskFilter};
pub use live::{LiveKeys, Selector};
pub use logs::{LogError, LogPiece, LogStore, Logs};
pub use open::{OpenError, Opened, Options, PositionError, Store, check_position};
pub use project::{ProjectError, Projector};
pub use reader::{ReadError, Reader};
pub use retain::Keep;
pub use row::{ElementCounts, Row, StepTask, Verdict};
pub use row_sql::Columns;
pub use run_blame::BadStep;
pub use run_record::{RunRecord, StepPage, StepRecord};
pub use run_row::FanRow;
pub use runs::{RunFilter, RunPage};
pub use task::TaskRecord;
pub use workflows::{VersionRecord, WorkflowRecord};

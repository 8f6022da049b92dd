//! Runs attempts: what a worker does with the leases it was given.
//!
//! An [`Executor`] runs an [`Assignment`] in a sandbox and reports its end exactly once, after
//! nothing of the attempt is left. [`inline`] runs async handlers in this process; [`process`]
//! runs a child under the worker's [`guard`], a small process that kills what the worker does not
//! keep alive.
//!
//! A [`session`] gets the leases from a master, hands them to an executor, and reports back.
//!
//! Nothing in the executors knows of masters, streams or retries: they are told what to start, how
//! long its lease lasts and when to stop, and they say how it ended.

pub mod clock;
mod executor;
pub mod guard;
pub mod inline;
mod logs;
mod outcome;
pub mod process;
pub mod session;

pub use clock::Boottime;
pub use executor::{Assignment, AttemptId, Executor, OutputMode, Report, Reports, Stop};
pub use logs::{LOG_BYTES_MAX, LOG_TAIL_BYTES, LogChunk, LogTail, Stream};
pub use outcome::{FailReason, Finished, OUTPUT_BYTES_MAX, Outcome, STDOUT_OUTPUT_MAX, Usage};

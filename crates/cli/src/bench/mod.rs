//! Measures the queue from outside, as a client and workers over loopback see it.
//!
//! Everything measured goes through the same calls that anybody makes; the server is a process of
//! its own, with the file journal and its history.

mod figures;
mod queue;
mod worker;

pub(crate) use queue::{Load, measure};
pub(crate) use worker::{BenchWorkerOptions, run as run_worker};

//! Measures the queue from outside, as a client and workers over loopback see it.
//!
//! Everything measured goes through the same calls that anybody makes; the server is a process of
//! its own, with the file journal and its history.

mod backlog;
mod environment;
mod figures;
mod growth;
mod latency;
mod processes;
mod queue;
mod recipe;
mod runs;
mod spread;
mod sustained;
mod trial;
mod usage;
mod worker;

pub(crate) use backlog::{Backlog, measure as measure_backlog};
pub(crate) use environment::Environment;
pub(crate) use growth::{Growth, What, measure as measure_growth};
pub(crate) use processes::{Processes, measure as measure_processes};
pub(crate) use queue::{Load, measure};
pub(crate) use runs::{Runs, measure as measure_runs};
pub(crate) use sustained::{Sustained, measure as measure_sustained};
pub(crate) use worker::{Fleet, run as run_worker};

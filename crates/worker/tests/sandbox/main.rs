//! The process sandbox and its guard, with real processes.

mod guard;
mod process;
mod spawn_rate;
mod support;

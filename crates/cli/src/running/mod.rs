//! Servers and workers inside this process: what `serve`, `worker`, `dev` and `demo` run.

mod server;
mod worker;

pub(crate) use server::{ServerError, options, start};
pub(crate) use worker::{WorkerError, WorkerPlan, begin};

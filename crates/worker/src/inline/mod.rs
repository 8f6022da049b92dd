//! Runs attempts as async handlers in the worker's own process: no process, no pipe, no thread.
//!
//! A handler shares everything with its worker, so this executor promises less than a process
//! sandbox: a handler that never awaits cannot be stopped, a task that a handler spawned by itself
//! outlives it, and a paused process runs on for the moment until it notices that its lease ended.
//! A panic fails its attempt only, except in a program built with `panic = "abort"`.

mod executor;
mod handler;
mod running;

pub use executor::{Handlers, InlineExecutor};
pub use handler::{Answer, Attempt, Handler, HandlerError, HandlerFuture};

//! Durable tasks for Rust services: submit them, run them, or keep the whole thing in your process.
//!
//! - [`Client`] submits [`Task`]s, waits for them, lists them and follows what happens.
//! - [`Run`] is a run of a workflow to start; [`workflow`] builds the graph of its steps.
//! - [`Worker`] runs the tasks of some groups with async handlers, through [`tower`] layers.
//! - [`Embedded`] is a master in your process: engine, journal and store, with the same client and
//!   the same workers.
//!
//! ```
//! use capataz::{Context, Embedded, HandlerError, Task};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Order { item: String, pieces: u32 }
//!
//! async fn pack(_: Context, order: Order) -> Result<String, HandlerError> {
//!     if order.pieces == 0 {
//!         return Err(HandlerError::fatal("an order has at least one piece"));
//!     }
//!     Ok(format!("{} x {}", order.pieces, order.item))
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let embedded = Embedded::builder().in_memory().open().await?;
//! let worker = embedded.worker().handler("orders", pack).start()?;
//!
//! let client = embedded.client();
//! let order = Order { item: "bolt".into(), pieces: 12 };
//! let task = client.submit(Task::new("orders").json(&order)?.into()).await?;
//! capataz::wait_for(client, [&task.id]).await?;
//! let done = client.show(&task.id).await?;
//! assert_eq!(done.task.output.unwrap().as_text(), Some("12 x bolt"));
//!
//! worker.drain(None);
//! worker.ended().await?;
//! embedded.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! A task that was accepted survives a crash of anything, and an attempt's end is recorded exactly
//! once. Handlers run *at least* once: a worker that was cut off may still run what another one
//! runs already. Handlers with side effects should be idempotent; [`Context`] has the task's id to
//! build keys of.
//!
//! # What a handler may say
//!
//! | answer | comes to |
//! |---|---|
//! | `Ok(value)` | succeeded; the value is the output |
//! | [`HandlerError::retryable`], any error with `?`, a panic | failed; tried again while the task's `max_attempts` lasts |
//! | [`HandlerError::fatal`], a payload of another form | failed for good |
//! | [`HandlerError::again`] | no failure: comes back after that time |
//!
//! # Payloads and outputs
//!
//! Values travel as compact JSON, but texts as their plain UTF-8 bytes: what the command line
//! submits as text reaches a handler that takes a `String`, and a `String` that a handler returns
//! is printed as it is. Bytes of any kind are taken with
//! [`WorkerBuilder::bytes_handler`].

mod embedded;
mod payload;
mod run;
mod task;
mod wait;
pub mod worker;
pub mod workflow;

pub use capataz_api::client::{
    Accepted, Client, ClientConfig, ClientError, EventStream, Ids, LogFollower, Submitter,
};
pub use capataz_api::{problem, proto, rest};
pub use capataz_worker::inline::Attempt as Context;
pub use capataz_worker::session::{Secrets, SessionError, Status};
pub use capataz_worker::{Assignment, Stream};
pub use embedded::{Embedded, EmbeddedBuilder, EmbeddedError};
pub use run::{Run, wait_for_run};
pub use task::Task;
pub use wait::wait_for;
pub use worker::{HandlerError, RunningWorker, Worker, WorkerBuilder, WorkerError};

/// The programs of the guide are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/library.md")]
struct Guide;

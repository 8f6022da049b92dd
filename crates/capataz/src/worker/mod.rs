//! Runs tasks with async handlers.
//!
//! Each handler sits at the bottom of a stack of [`tower`] services. From the outside:
//!
//! 1. [`TraceLayer`]: a span named `attempt` around everything.
//! 2. [`TimingLayer`]: how long it took and how it ended.
//! 3. The layers of [`WorkerBuilder::layer`], the first one outermost.
//! 4. The payload is read into the handler's type; one of another form fails the task for good.
//! 5. The handler.
//!
//! A panic anywhere in it fails that attempt only.

mod builder;
mod connect;
mod error;
mod running;
mod stack;
mod timing;
mod trace;

pub use builder::{Worker, WorkerBuilder, WorkerError};
pub use error::HandlerError;
pub use running::RunningWorker;
pub use stack::{Answer, HandlerService};
pub use timing::{Ending, Timing, TimingLayer, TimingService};
pub use trace::{TraceLayer, TraceService};

//! A worker's session with its master: one stream, kept up as long as the worker lives.
//!
//! ```text
//!            frames                       calls
//!   master <========> Logic (no I/O) <==============> executor
//!                        ^
//!                        | time, orders, connections
//!                      Shell (tokio)
//! ```
//!
//! [`Logic`] decides everything: it is given frames, reports and the time, and says which frames
//! to send and what the executor is to do. It reads no clock, opens no connection and draws its
//! jitter from a seed, so a simulation runs it as it is. [`Session`] drives it with real time
//! over a [`Connect`]: gRPC, or a channel into a master of the same process.
//!
//! A session never executes anything itself, never keeps a result on disk, and never decides that
//! an attempt is to be tried again: that is the master's business.

mod attempts;
mod backoff;
mod call;
mod connect;
mod handle;
mod heartbeat;
mod incarnation;
mod logic;
mod logs;
mod options;
mod outgoing;
mod phase;
mod run;
mod secrets;
mod wire;

pub use call::{Call, SessionError};
pub use connect::{Connect, Connecting, GrpcConnect, Incoming, LinkError, ServerAddressError};
pub use handle::{SessionHandle, Status};
pub use incarnation::Incarnation;
pub use logic::Logic;
pub use options::{
    CANCEL_GRACE, CONCURRENCY_MAX, SessionOptions, build_version, host_name, random_name,
};
pub use run::Session;
pub use secrets::Secrets;

//! The wire contract: what clients, workers and masters say to each other, its limits, and the
//! client that says it.
//!
//! This crate knows neither the engine nor the server: it holds what both sides of a connection
//! must agree on.
//!
//! - [`spec`] reads, checks and shows task specs, for REST and gRPC alike.
//! - [`problem`] is every refusal there is, with its code and status.
//! - [`rest`] has the documents of REST; [`proto`] the messages of gRPC.
//! - [`client`] talks to a master.
//! - [`limits`] are the bounds on all of it.

pub mod client;
pub mod limits;
pub mod problem;
pub mod proto;
pub mod rest;
pub mod spec;

mod json;
mod span;
mod timestamp;

pub use span::{ParseSpanError, Span};
pub use timestamp::{ParseTimestampError, Timestamp};

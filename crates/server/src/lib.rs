//! The server: drives the engine, makes what it decides durable, and speaks REST and gRPC.
//!
//! `owner` is the only code that changes a namespace's state; it has no I/O. `namespace` gives it
//! threads: one for itself, one for the journal, one for the store. Everything else asks through a
//! [`Namespace`] handle.

pub mod clock;
mod convert;
pub mod feed;
mod grpc;
pub mod namespace;
pub mod owner;
mod problem;
pub mod record;
mod rest;
mod serve;
pub mod store;

pub use namespace::Namespace;
pub use serve::{Running, ServeOptions, StartError, serve};

//! The server: drives the engine, makes what it decides durable, and speaks REST and gRPC.
//!
//! `owner` is the only code that changes a namespace's state; it has no I/O. `namespace` gives it
//! threads: one for itself, one for the journal, one for the store. Everything else asks through a
//! [`Namespace`] handle.

mod access;
pub mod clock;
pub mod convert;
pub mod feed;
mod grpc;
mod journal_tools;
pub mod namespace;
pub mod owner;
pub mod problem;
pub mod record;
mod rest;
mod serve;
pub mod store;
pub mod workflow;

pub use capataz_journal::file::{DiskError, Inspection, RepairError, Repaired, WitnessReport};
pub use journal_tools::{cut_journal, inspect_journal, journal_folder};
pub use namespace::Namespace;
pub use serve::{
    Closed, Local, LocalService, Running, ServeOptions, StartError, TlsError, TlsFiles, serve,
};

//! The listener: REST, gRPC and their documentation on one port.

mod access;
mod listen;
mod options;
mod start;
mod token;

pub use options::ServeOptions;
pub use start::{Running, StartError, serve};

//! The listener: REST, gRPC and their documentation on one port. Or none: for callers in this
//! process.

mod listen;
mod local;
mod options;
mod start;
mod tls;
mod token;

pub use local::{Closed, Local, LocalService};
pub use options::ServeOptions;
pub use start::{Running, StartError, serve};
pub use tls::{TlsError, TlsFiles};

//! Talks to a master: REST for everything, gRPC for submitting; over the network, or by calls into
//! a service of this process.
//!
//! Every change carries a request id made before the first try and is tried again with it when the
//! connection breaks or the master says that it cannot answer now, so that a change happens once
//! however often it was asked for. Reads are tried again in the same way.
//!
//! What this module never does: guess whether a change happened. When the tries are used up, the
//! error says whether anything was sent.

mod access;
mod backoff;
mod calls;
mod config;
mod error;
mod follow;
mod frames;
mod http;
mod ids;
mod observe;
mod pump;
mod runs;
mod settings;
mod sse;
mod submitter;
mod tasks;
mod tls;
mod transport;

pub use calls::Client;
pub use config::{ClientConfig, DEFAULT_SERVER, TOKEN_FILE};
pub use error::ClientError;
pub use follow::{EventStream, LogFollower};
pub use ids::Ids;
pub use submitter::{Accepted, Submitter};
pub use tls::{Connector, Speaks, TrustError, connector};
pub use transport::Body;

//! Starts the real binary as server, workers and clients, and leaves nothing of it behind.
//!
//! Every process is ended by its own id when its handle is dropped, every file is in a temporary
//! folder, every port is the kernel's choice. Nothing in here knows how the product works: it sees
//! what a user sees.

#![expect(unreachable_pub, reason = "a module of a test binary has no outside")]

mod process;
mod server;
mod witness;

pub use process::{Process, Run, alive, until};
pub use server::{Place, Server};
pub use witness::{begins_and_ends, most_at_once};

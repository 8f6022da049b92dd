//! Deterministic simulation: the production engine, owner, file journal and worker session in one
//! thread, on a fake clock, network and disk, all from one seed.
//!
//! ```text
//!             agenda (time, what)  <-- one source of chance
//!   clients --+                          +-- faults
//!             v                          v
//!   owner <-> journal on a faulty disk   workers' sessions <-> sandboxes under guards
//!      \-----------> checkers <----------------/
//! ```
//!
//! First faults happen and nothing that was promised may break; then they stop and everything must
//! come to its end. The checkers (`ledger`, `spoken`, and the pods' ground truth in `host`) share
//! no rule with the engine. What is outside: threads and sockets, SQLite (a model stands for it),
//! logs, arrays' retries, rivals that get past the journal's lock.
//!
//! The same seed gives the same trace, byte for byte, on every machine.

mod additions;
mod chance;
mod client;
mod clock;
mod commands;
mod covered;
mod disk;
mod faults;
mod figures;
mod flow;
mod flow_text;
mod follower;
mod frames;
mod host;
mod ledger;
mod master;
mod mutant;
mod network;
mod options;
mod pace;
mod poller;
mod probe;
mod recovery;
mod refusals;
mod rivals;
mod rot;
mod run;
mod run_calls;
mod spoken;
mod store;
mod trace;
mod waits;
mod wishes;
mod work;
mod world;

pub use covered::Covered;
pub use figures::{Fault, Figures};
pub use mutant::Mutant;
pub use options::Options;
pub use run::{Outcome, run};

//! Runs attempts as processes, each in a sandbox of its own under the worker's [`crate::guard`].
//!
//! A command is an argv, never a shell line. Its environment is an allow-list, its payload its
//! stdin, its output a file or its stdout, its scratch folder its own. What it leaves behind, a
//! daemon included, is killed before its end is reported.
//!
//! Files an attempt is told of by variables: `CAPATAZ_PAYLOAD` (to read), `CAPATAZ_OUTPUT` (to
//! write), `CAPATAZ_CONTROL` (JSON lines: `{"again_in": "30s"}` or `{"fatal": "message"}`), and
//! the folder `CAPATAZ_SCRATCH`, which is removed afterwards. It begins in the worker's own working
//! directory, so that relative paths of a command mean what its operator thinks.

mod claim;
mod config;
mod control;
mod environment;
mod executor;
mod launch;
mod link;
mod reclaim;
mod verdict;

pub use claim::{Claim, ClaimError, default_state_dir};
pub use config::{CommandPolicy, Limits, ProcessConfig};
pub use executor::ProcessExecutor;
pub use launch::LaunchError;
pub use reclaim::ReclaimError;

//! The whole product from outside: the real binary as server, workers and clients.
//!
//! What is asserted is what a user could see: exit codes, printed results, files that tasks write,
//! processes that live or do not.

#[path = "../harness/mod.rs"]
mod harness;

mod crashing;
mod examples;
mod logging;
mod operating;
mod pods;
mod replaying;
mod run_messages;
mod runs;
mod security;
mod submitting;

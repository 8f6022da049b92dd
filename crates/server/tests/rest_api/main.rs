//! REST as clients see it: a real server on a free port, and nothing but HTTP.

mod attempts;
mod bad_input;
mod confined;
mod events;
mod lists;
mod rights;
mod routes;
mod run_audit;
mod run_batch;
mod run_explain;
mod run_messages;
mod run_steps;
mod runs;
mod server;
mod session_logs;
mod tokens;
mod waiting;
mod workflows;

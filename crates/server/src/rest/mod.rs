//! REST: one file per resource, thin handlers over a [`crate::Namespace`].
//!
//! Nothing here decides or keeps anything. What a request asks for becomes a command or a query to
//! the owner, or a read of the store; what it is told is durable by then. Who may ask is decided
//! before a request gets here (`access`).
//!
//! Bodies and query parameters are read strictly: what is not known is refused, by name.

mod attempt_tasks;
mod attempts;
mod audit;
mod context;
mod event_cursor;
mod event_items;
mod event_names;
mod event_runs;
mod event_scope;
mod event_tasks;
mod events;
mod explain;
mod explain_ended;
mod explain_run;
mod groups;
mod health;
mod known;
mod leases;
mod logs;
mod metrics;
mod openapi;
mod pace;
mod pods;
mod refusal;
mod request;
mod router;
mod run_actions;
mod run_batch;
mod run_item;
mod run_start;
mod run_steps;
mod runs;
mod stats;
mod task_actions;
mod task_item;
mod tasks;
mod tokens;
mod wait;
mod workers;
mod workflows;

pub(crate) use refusal::ProblemResponse;
pub(crate) use router::{router, unknown_route, wrong_method};

pub(crate) use context::STORE_PATIENCE;

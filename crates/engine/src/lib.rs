//! Decides what happens next in one namespace, and nothing else.
//!
//! The engine is a state machine without I/O. Its caller (the server's owner loop, a simulation, a
//! test) drives it like this:
//!
//! ```text
//! command --decide--> events --apply--> state --effects--> what the caller must do
//! ```
//!
//! 1. [`decide()`] reads the [`State`] and either refuses the [`Command`] with a [`Rejection`] or
//!    answers with the events that carry it out. It changes nothing.
//! 2. [`apply()`] folds one [`Event`] into the state. It is total: it never fails, whatever it is
//!    given, and it is the only code that changes the state, live and in replay.
//! 3. [`effects()`] names what the caller must do once the event is durable, and [`outstanding()`]
//!    names what a new leader must do again.
//!
//! There is no clock, thread, socket, file, randomness or hash order in here: the same events give
//! the same state on every machine. The crate's `clippy.toml` enforces that.
//!
//! The engine never sees payloads, outputs, tags or logs as anything but opaque bytes that pass
//! through an event, and it keeps none of them.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod apply;
mod command;
mod decide;
mod due;
mod effect;
mod event;
mod explain;
mod id;
pub mod limits;
pub mod planted;
mod policy;
mod reason;
mod rejection;
mod run;
mod run_view;
mod state;
mod time;
mod token;
mod view;
mod workflow;

pub use apply::apply;
pub use command::{
    Answer, Command, Decision, Ended, Hello, Ids, Life, NewTask, OnLost, Outcome, PodSettings,
    Report, Request, Revival, Submission, Usage,
};
pub use decide::decide;
pub use due::{Due, ELEMENTS_AT_ONCE, RunContext};
pub use effect::{Effect, effects, outstanding};
pub use event::{Accepted, Change, Event, Next};
pub use explain::{Explanation, Obstacle, PLACES};
pub use id::{Attempt, GroupId, Key, MAX_ELEMENTS, ParseKeyError, PodId, TaskId, WorkerId};
pub use policy::{Backoff, Policy};
pub use reason::{Phase, Reason};
pub use rejection::Rejection;
pub use run::{
    Begin, Closing, NewRun, ParseRunIdError, Reopening, RunId, RunKey, RunPhase, RunReason,
    StartRun, StepOutcome, StepReason, Which,
};
pub use run_view::{OpenStep, RunHolders, RunView, WorkflowView};
pub use state::{EntryKey, LimitsInForce, RestoreError, State, message_left};
pub use time::{Span, Timestamp};
pub use token::{NewToken, ParseTokenIdError, Role, Token, TokenId};
pub use view::{GroupView, PodView, TaskView, WorkerView};
pub use workflow::{Edge, Graph, Hold, Join, Node, NodeKind, On, Settings, Version, WorkflowId};

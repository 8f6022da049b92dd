//! The owner of a namespace's state: the only code that changes it.
//!
//! It has no thread, socket, file or clock of its own. A turn takes inputs and a reading of the
//! clocks, and gives back a record to append; what must not be seen before that record is durable
//! (replies of every kind, dispatches, stream items, rows of the store) waits in `pending`. The
//! caller appends the records in order and says when they are durable.
//!
//! ```text
//! inputs --turn--> decide, apply (provisional) --> record --append--> durable --> releases
//! ```

mod bodies;
mod ends;
mod event_size;
mod greetings;
mod input;
mod lease_clock;
mod pending;
mod polls;
mod sessions;
mod steps;
mod take;
mod turn;

#[cfg(test)]
mod ends_tests;
#[cfg(test)]
mod steps_tests;
#[cfg(test)]
mod tests;

pub use ends::{EndsCall, EndsReply};
pub use input::{
    CallError, Called, Input, LeasedTask, PollCall, Question, Reply, Session, SessionMessage, Token,
};
pub use turn::{Owner, OwnerOptions, ToAppend};

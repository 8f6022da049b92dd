//! Task specs: reading them from JSON, checking them, and showing them again.
//!
//! What the engine and the wire know is [`crate::proto::TaskSpec`]. JSON is read straight into it,
//! so that REST and gRPC share one [`validate`] and one set of refusals. Whether a task exists,
//! a key is in use or a namespace is full is not looked at here.

mod alter;
mod check;
mod document;
mod error;
mod parse;
mod value;

#[cfg(test)]
mod tests;

pub use alter::alter;
pub use check::{check_batch, check_name, validate, validate_within};
pub use document::{BackoffSpec, OutputMode, TaskSpec};
pub use error::{Flaw, SpecError};
pub(crate) use error::{nearest, shorten};
pub use parse::{parse_lines, parse_task, parse_tasks};

pub use crate::json::JsonError;

use bytes::Bytes;
use prost::Message;

use crate::proto;

/// A spec as it goes over the wire and into the journal.
pub fn encode(spec: &proto::TaskSpec) -> Bytes {
    Bytes::from(spec.encode_to_vec())
}

/// Reads a spec as it came over the wire. It is not checked yet: [`validate_within`] does that.
pub fn decode(bytes: Bytes) -> Result<proto::TaskSpec, SpecError> {
    proto::TaskSpec::decode(bytes).map_err(|error| {
        let reason = error.to_string();
        SpecError::new("", Flaw::NotEncoded { reason })
    })
}

//! From flags and files to batches of task specs.
//!
//! Files are streamed: a file of ten million lines takes the memory of a few batches. A regular file
//! is read twice, so that a bad line anywhere submits nothing; what comes through a pipe can be read
//! only once, and what came before a bad line is then submitted already.
//!
//! Nothing here talks to a server.

mod batches;
mod flags;
mod ids;
mod lines;
mod pattern;
mod read_ahead;
mod source;

use batches::Batches;
pub(crate) use flags::TaskFlags;
pub(crate) use ids::IdRuns;
pub(crate) use read_ahead::read_ahead;
pub(crate) use source::{Input, Source, SubmitError};

//! What a workflow's expressions give for a run.

mod error;
mod given;
mod inputs;
mod run;

pub use error::{EvaluationError, TaskError};
pub use inputs::Inputs;

//! Why an instance is refused.

use super::instance::VERSIONS;
use crate::failure::Told;

/// A file that is not imported. Nothing of it is used.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("the time scale must be a number of at least 0, got {got}")]
    TimeScale { got: f64 },
    #[error("the file must be JSON: line {line}, column {column}: {reason}")]
    NotJson {
        line: usize,
        column: usize,
        reason: String,
    },
    #[error("`schemaVersion` must be one of {}, got {got}", VERSIONS.join(", "))]
    Version { got: String },
    #[error("`{path}`: {reason}")]
    Shape { path: String, reason: String },
    #[error("the file has no `workflow.execution`, which holds the runtimes to replay")]
    NoExecution,
    #[error("the file must have 1 to {limit} tasks, got {got}")]
    Tasks { limit: usize, got: usize },
    #[error("two tasks have the id {id:?}")]
    DuplicateTask { id: String },
    #[error("task {id:?} was executed twice")]
    DuplicateExecution { id: String },
    #[error("task {id:?} has no `runtimeInSeconds`")]
    NoRuntime { id: String },
    #[error("the runtime of task {id:?} must be a number of seconds of at least 0, got {got}")]
    Runtime { id: String, got: f64 },
    #[error("the runtime of task {id:?} must be at most {limit} s at this time scale, got {got} s")]
    TooLong { id: String, limit: u64, got: f64 },
    #[error("task {id:?} names {relation} {named:?}, which is not a task of the file")]
    UnknownTask {
        id: String,
        relation: Relation,
        named: String,
        nearest: Option<String>,
    },
    #[error("task {id:?} names {relation} {named:?}, which is the name of {count} tasks")]
    Ambiguous {
        id: String,
        relation: Relation,
        named: String,
        count: usize,
    },
    #[error("task {id:?} names {relation} {named:?}, which does not name it back")]
    OneSided {
        id: String,
        relation: Relation,
        named: String,
    },
    #[error("tasks come after each other in a circle: {}", path.join(" -> "))]
    Cycle { path: Vec<String> },
}

/// How one task names another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Parent,
    Child,
}

impl std::fmt::Display for Relation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Relation::Parent => "the parent",
            Relation::Child => "the child",
        })
    }
}

impl Told for ImportError {
    fn hint(&self) -> Option<String> {
        match self {
            ImportError::UnknownTask { nearest, .. } => {
                let nearest = nearest.as_ref()?;
                Some(format!("did you mean {nearest:?}?"))
            }
            ImportError::Version { .. } => {
                Some("WfCommons has a tool that brings older files up to date".to_owned())
            }
            ImportError::TooLong { .. } => Some("choose a smaller time scale".to_owned()),
            _ => None,
        }
    }
}

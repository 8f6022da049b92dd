//! Why an evaluation failed, and where.

use std::fmt;

use capataz_api::spec::SpecError;

use crate::document::Place;
use crate::expression::{Problem, Site};
use crate::nearest::shorten;

/// An expression that gave no value, or not one that can be used.
#[derive(Clone, PartialEq, Debug)]
pub struct EvaluationError {
    /// Where it stands in the document, such as `steps[3].argv[1]`.
    pub path: String,
    /// Where it stands in the text that the workflow was read from; line 0 when it was none.
    pub place: Place,
    /// The expression.
    pub expression: String,
    /// What went wrong, with the types of the values involved.
    pub problem: Box<Problem>,
}

impl EvaluationError {
    pub(super) fn of(site: &Site, problem: Problem) -> EvaluationError {
        EvaluationError {
            path: site.path.to_string(),
            place: site.place,
            expression: site.expression.source.to_string(),
            problem: Box::new(problem),
        }
    }
}

/// Why a step cannot become a task.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum TaskError {
    /// An expression gives nothing.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// What its expressions give makes no task.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.place.line > 0 {
            let Place { line, column } = self.place;
            write!(f, " (line {line}, column {column})")?;
        }
        write!(f, ": `{}`: {}", shorten(&self.expression), self.problem)
    }
}

impl std::error::Error for EvaluationError {}

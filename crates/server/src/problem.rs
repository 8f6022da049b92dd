//! The one map from what can go wrong to what callers are told.

use capataz_api::problem::{Code, Problem};
use capataz_api::rest::WorkflowFlaw;
use capataz_engine::Rejection;
use capataz_workflow::Refusal;

use crate::convert::ConvertError;
use crate::owner::CallError;
use crate::workflow::NewRunError;

/// Something that a caller can be told.
pub trait ToProblem {
    /// What the caller is told.
    fn to_problem(&self) -> Problem;
}

impl ToProblem for CallError {
    fn to_problem(&self) -> Problem {
        let problem = |code| Problem::new(code, self.to_string());
        match self {
            CallError::Rejected(rejection) => rejection.to_problem(),
            CallError::Overloaded { retry_after, .. } => {
                problem(Code::Overloaded).retry_after(retry_after.as_secs().max(1))
            }
            CallError::StorageFull => problem(Code::StorageFull),
            CallError::NotLeading => problem(Code::NotLeader),
            CallError::Superseded => problem(Code::Unavailable),
            CallError::UnknownOutcome => problem(Code::UnknownOutcome),
        }
    }
}

impl ToProblem for Rejection {
    fn to_problem(&self) -> Problem {
        let problem = |code| Problem::new(code, self.to_string());
        match self {
            Rejection::NotLive { .. } => problem(Code::NotLive),
            Rejection::StillLive { .. } => problem(Code::StillLive),
            Rejection::StaleLease { .. } => problem(Code::StaleLease),
            Rejection::UnknownWorker { .. }
            | Rejection::UnknownPod { .. }
            | Rejection::UnknownToken { .. }
            | Rejection::UnknownWorkflow { .. } => problem(Code::NotFound),
            Rejection::UnknownStep { step, .. } => {
                problem(Code::NotFound).field("steps").got(step.clone())
            }
            Rejection::StaleVersion { .. } => problem(Code::StaleVersion),
            Rejection::RunNotLive { .. }
            | Rejection::StepNotReady { .. }
            | Rejection::RunNotExtended { .. } => problem(Code::NotLive),
            Rejection::RunNotFinished { .. } | Rejection::StepNotOver { .. } => {
                problem(Code::StillLive)
            }
            Rejection::NothingToRunAgain { .. } => problem(Code::NothingToRunAgain),
            Rejection::RunConflict { .. } => problem(Code::RunConflict).field("conflict_key"),
            Rejection::RunKeyConflict { .. } => problem(Code::DedupConflict).field("key"),
            // Its number is random: the caller tries again with another.
            Rejection::TokenExists { .. } => problem(Code::Unavailable),
            Rejection::WorkerNameTaken { .. } => problem(Code::WorkerNameTaken),
            Rejection::WorkerReplaced { .. } => problem(Code::WorkerReplaced),
            Rejection::WorkerBusy { .. } => problem(Code::WorkerBusy),
            Rejection::LateHello { .. } => problem(Code::UnknownWorker),
            Rejection::DedupConflict { index, .. } => {
                problem(Code::DedupConflict).field(format!("tasks[{index}].dedup_key"))
            }
            Rejection::DuplicateInBatch { index, .. } => {
                problem(Code::DuplicateInBatch).field(format!("tasks[{index}].dedup_key"))
            }
            Rejection::RequestConflict => problem(Code::RequestConflict),
            Rejection::OutOfRange {
                field,
                min,
                max,
                got,
            } => problem(Code::OutOfRange)
                .field(field.clone())
                .limit(format!("{min} to {max}"))
                .got(got.to_string()),
            Rejection::Full { limit, .. } => problem(Code::Full).limit(limit.to_string()),
            Rejection::StaleEpoch { .. } => problem(Code::NotLeader),
        }
    }
}

impl ToProblem for ConvertError {
    fn to_problem(&self) -> Problem {
        match self {
            ConvertError::Spec(error) => error.clone().into(),
            ConvertError::Undecodable { index, .. } => {
                let field = format!("tasks[{index}]");
                Problem::new(Code::InvalidField, self.to_string()).field(field)
            }
            ConvertError::RequestId { got } => {
                let problem = Problem::new(Code::InvalidField, self.to_string());
                problem.field("request_id").got(got.to_string())
            }
            ConvertError::Incarnation { got } => {
                let problem = Problem::new(Code::InvalidField, self.to_string());
                problem.field("incarnation").got(got.to_string())
            }
        }
    }
}

impl ToProblem for Refusal {
    fn to_problem(&self) -> Problem {
        let problem = Problem::new(Code::InvalidWorkflow, self.to_string());
        let problem = problem.flaws(self.flaws.iter().map(WorkflowFlaw::from).collect());
        let Some(first) = self.flaws.first() else {
            return problem;
        };
        let problem = match &first.hint {
            Some(hint) => problem.hint(hint.clone()),
            None => problem,
        };
        match first.path.is_empty() {
            true => problem,
            false => problem.field(first.path.clone()),
        }
    }
}

impl ToProblem for NewRunError {
    fn to_problem(&self) -> Problem {
        let problem = Problem::new(Code::InvalidWorkflow, self.to_string());
        match self {
            NewRunError::Parameters(_) => problem.field("parameters"),
            NewRunError::Expression(error) => problem.field(error.path.clone()),
            NewRunError::Tags { got } => problem
                .field("tags")
                .limit(capataz_api::limits::TAGS)
                .got(got),
            NewRunError::Message { got } => problem
                .field("message")
                .limit(capataz_workflow::limits::RUN_VALUE_BYTES)
                .got(got),
        }
    }
}

//! What came of reading a definition, as callers over REST and people at a terminal are told it.

use capataz_api::rest::{WorkflowChecked, WorkflowFlaw};

use crate::refusal::{Flaw, Refusal};
use crate::workflow::Workflow;

/// What came of reading a definition.
pub fn checked(read: Result<&Workflow, &Refusal>) -> WorkflowChecked {
    match read {
        Ok(workflow) => WorkflowChecked {
            valid: true,
            name: Some(workflow.name().to_owned()),
            steps: Some(workflow.steps().len() as u32),
            flaws: Vec::new(),
            more: 0,
        },
        Err(refusal) => WorkflowChecked {
            valid: false,
            name: None,
            steps: None,
            flaws: refusal.flaws.iter().map(WorkflowFlaw::from).collect(),
            more: refusal.more,
        },
    }
}

impl From<&Flaw> for WorkflowFlaw {
    fn from(flaw: &Flaw) -> WorkflowFlaw {
        WorkflowFlaw {
            line: flaw.place.line,
            column: flaw.place.column,
            path: flaw.path.clone(),
            reason: flaw.reason.to_string(),
            hint: flaw.hint.clone(),
        }
    }
}

//! Definitions as their users meet them: texts in, graphs, refusals and values out.

mod shape;

use capataz_workflow::{Refusal, Workflow};

/// Reads a definition that must be good.
fn parsed(text: &str) -> Workflow {
    Workflow::parse(text).unwrap_or_else(|refusal| panic!("{refusal}\n{text}"))
}

/// Reads a definition that must be refused.
fn refused(text: &str) -> Refusal {
    match Workflow::parse(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(refusal) => refusal,
    }
}

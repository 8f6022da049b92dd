//! Definitions as their users meet them: texts in, graphs, refusals and values out.

mod evaluating;
mod expressions;
mod hostile;
mod pages;
mod parameters;
mod refusals;
mod schema;
mod shape;

use std::borrow::Cow;
use std::collections::BTreeMap;

use capataz_workflow::{Output, Refusal, Scope, Workflow};
use serde_json::{Value, json};

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

/// A run that says what it is told to.
struct Run {
    params: Value,
    outputs: BTreeMap<usize, Vec<u8>>,
    elements: BTreeMap<usize, Vec<Option<Vec<u8>>>>,
    states: BTreeMap<usize, String>,
    message: Option<Vec<u8>>,
}

impl Run {
    fn with(params: Value) -> Run {
        Run {
            params,
            outputs: BTreeMap::new(),
            elements: BTreeMap::new(),
            states: BTreeMap::new(),
            message: None,
        }
    }

    fn new() -> Run {
        Run::with(json!({}))
    }

    fn output(mut self, step: usize, output: &str) -> Run {
        self.outputs.insert(step, output.as_bytes().to_vec());
        self
    }

    fn message(mut self, message: &str) -> Run {
        self.message = Some(message.as_bytes().to_vec());
        self
    }
}

impl Scope for Run {
    fn run_id(&self) -> &str {
        "run-7"
    }

    fn version(&self) -> u64 {
        3
    }

    fn params(&self) -> &Value {
        &self.params
    }

    fn output(&self, step: usize) -> Output<'_> {
        if let Some(elements) = self.elements.get(&step) {
            let elements = elements.iter().map(|e| e.as_deref().map(Cow::Borrowed));
            return Output::Elements(elements.collect());
        }
        match self.outputs.get(&step) {
            Some(output) => Output::One(Cow::Borrowed(output)),
            None => Output::None,
        }
    }

    fn state(&self, step: usize) -> &str {
        self.states.get(&step).map_or("blocked", String::as_str)
    }

    fn message(&self) -> Option<Cow<'_, [u8]>> {
        self.message.as_deref().map(Cow::Borrowed)
    }
}

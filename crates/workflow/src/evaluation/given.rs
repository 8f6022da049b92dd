//! What a run gives to expressions, read once and looked at often.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use capataz_api::spec;
use serde_json::Value;

use super::error::EvaluationError;
use crate::expression::{JsonTemplate, Machine, Problem, Site, Template, Val, Variable, Variables};
use crate::nearest::shorten;
use crate::scope::{Output, Scope};
use crate::workflow::Workflow;

/// A document that was read, if there was one.
type Read = Result<Option<Value>, Problem>;

/// What the expressions at some sites refer to. Each is read when it is first asked for.
pub(super) struct Given<'s> {
    workflow: &'s Workflow,
    scope: &'s dyn Scope,
    /// The steps that are referred to, in order.
    outputs: Vec<(usize, OnceCell<Read>)>,
    message: OnceCell<Read>,
}

impl<'s> Given<'s> {
    pub(super) fn new(
        workflow: &'s Workflow,
        scope: &'s dyn Scope,
        sites: &[Arc<Site>],
    ) -> Given<'s> {
        let used = sites.iter().flat_map(|site| &site.expression.uses.outputs);
        let used = used.copied().collect::<BTreeSet<_>>();
        Given {
            workflow,
            scope,
            outputs: used
                .into_iter()
                .map(|step| (step, OnceCell::new()))
                .collect(),
            message: OnceCell::new(),
        }
    }

    /// The same as one element sees it; its place is counted from 0.
    pub(super) fn element<'a>(&'a self, item: Option<(u32, &'a Value)>) -> Element<'a, 's> {
        Element { given: self, item }
    }

    pub(super) fn boolean(&self, site: &Site) -> Result<bool, EvaluationError> {
        self.evaluate(site, |value, _| match value {
            Val::Bool(value) => Ok(*value),
            other => {
                let (expected, got) = ("a bool", other.kind());
                Err(Problem::Expected { expected, got })
            }
        })
    }

    /// Evaluates an expression outside of any element, and makes something of its value.
    pub(super) fn evaluate<T>(
        &self,
        site: &Site,
        make: impl for<'a> FnOnce(&Val<'a>, &mut Machine<'a, '_>) -> Result<T, Problem>,
    ) -> Result<T, EvaluationError> {
        let element = self.element(None);
        let mut machine = Machine::new(&element);
        let value = machine.evaluate(&site.expression);
        value
            .and_then(|value| make(&value, &mut machine))
            .map_err(|problem| EvaluationError::of(site, problem))
    }

    /// The value that a template gives outside of any element.
    pub(super) fn json(&self, template: &JsonTemplate) -> Result<Value, EvaluationError> {
        let element = self.element(None);
        let mut machine = Machine::new(&element);
        let value = template.value(&mut machine);
        value.map_err(|failed| EvaluationError::of(&failed.0, failed.1))
    }

    /// The text that a template gives, which must be a name.
    pub(super) fn name(&self, template: &Template) -> Result<String, EvaluationError> {
        let element = self.element(None);
        let mut machine = Machine::new(&element);
        let text = template.text(&mut machine);
        let text = text.map_err(|failed| EvaluationError::of(&failed.0, failed.1))?;
        let checked = spec::check_name("", &text);
        match (checked, template.expression()) {
            (Err(error), Some(site)) => {
                let (got, flaw) = (shorten(&text), error.flaw);
                Err(EvaluationError::of(site, Problem::Name { got, flaw }))
            }
            // A name without expressions was checked with the definition.
            _ => Ok(text),
        }
    }

    fn output(&self, step: usize) -> Result<Option<&Value>, Problem> {
        let place = self.outputs.binary_search_by_key(&step, |(step, _)| *step);
        let Ok(place) = place else {
            return Ok(None);
        };
        let read = self.outputs[place].1.get_or_init(|| self.read_output(step));
        read.as_ref().map(Option::as_ref).map_err(Problem::clone)
    }

    fn read_output(&self, step: usize) -> Result<Option<Value>, Problem> {
        let read = |bytes: &[u8]| {
            serde_json::from_slice(bytes).map_err(|error| Problem::NotJson {
                step: self.workflow.steps()[step].id.clone(),
                message: error.to_string(),
            })
        };
        match self.scope.output(step) {
            Output::None => Ok(None),
            Output::One(bytes) => read(&bytes).map(Some),
            Output::Elements(elements) => {
                let elements = elements.iter().map(|element| match element {
                    Some(bytes) => read(bytes),
                    None => Ok(Value::Null),
                });
                Ok(Some(Value::Array(elements.collect::<Result<_, _>>()?)))
            }
        }
    }

    fn message(&self) -> Result<&Value, Problem> {
        let read = self.message.get_or_init(|| match self.scope.message() {
            None => Ok(None),
            Some(bytes) => match serde_json::from_slice(&bytes) {
                Ok(message) => Ok(Some(message)),
                Err(error) => Err(Problem::BadMessage {
                    message: error.to_string(),
                }),
            },
        });
        match read {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(Problem::NoMessage),
            Err(problem) => Err(problem.clone()),
        }
    }
}

/// What is given, with the element that it is looked at for.
pub(super) struct Element<'a, 's> {
    given: &'a Given<'s>,
    item: Option<(u32, &'a Value)>,
}

impl<'a> Variables<'a> for Element<'a, '_> {
    fn value(&self, variable: Variable) -> Result<Val<'a>, Problem> {
        let given = self.given;
        match variable {
            Variable::Params => Ok(Val::of(given.scope.params())),
            Variable::Message => given.message().map(Val::of),
            Variable::RunId => Ok(Val::given(given.scope.run_id())),
            Variable::RunWorkflow => Ok(Val::given(given.workflow.name())),
            Variable::RunVersion => Ok(Val::Int(given.scope.version().into())),
            Variable::Item => match self.item {
                Some((_, item)) => Ok(Val::of(item)),
                None => Err(Problem::NoElementHere),
            },
            Variable::Index => match self.item {
                Some((index, _)) => Ok(Val::Int(index.into())),
                None => Err(Problem::NoElementHere),
            },
            Variable::Output(step) => match given.output(step)? {
                Some(output) => Ok(Val::of(output)),
                None => {
                    let step = given.workflow.steps()[step].id.clone();
                    Err(Problem::NoOutput { step })
                }
            },
            Variable::State(step) => Ok(Val::given(given.scope.state(step))),
        }
    }

    fn has_output(&self, step: usize) -> bool {
        // What cannot be read is there.
        !matches!(self.given.output(step), Ok(None))
    }
}

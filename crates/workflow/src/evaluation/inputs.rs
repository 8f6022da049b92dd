//! What the expressions of one step give.

use capataz_api::limits::PAYLOAD_BYTES;
use capataz_api::proto::TaskSpec;
use capataz_api::spec::{self, SpecError};
use serde_json::{Map, Value};

use super::error::{EvaluationError, TaskError};
use super::given::Given;
use crate::compile::{Elements, Programs};
use crate::expression::{Failed, Machine, Problem, Template, Val};
use crate::limits::FAN_OUT;
use crate::scope::Scope;
use crate::workflow::Workflow;

/// A step and what its expressions refer to. What is read for one of them is kept for the others,
/// so that the elements of a `for_each` cost little each.
pub struct Inputs<'s> {
    given: Given<'s>,
    programs: &'s Programs,
}

impl<'s> Inputs<'s> {
    pub(super) fn new(workflow: &'s Workflow, step: usize, scope: &'s dyn Scope) -> Inputs<'s> {
        let programs = &workflow.programs[step];
        Inputs {
            given: Given::new(workflow, scope, &programs.sites),
            programs,
        }
    }

    /// Whether the step is to be run: what its `when` says, true without one.
    pub fn when(&self) -> Result<bool, EvaluationError> {
        match &self.programs.when {
            Some(when) => self.given.boolean(when),
            None => Ok(true),
        }
    }

    /// The elements that the step runs over; empty without a `for_each`.
    pub fn items(&self) -> Result<Vec<Value>, EvaluationError> {
        match &self.programs.elements {
            None => Ok(Vec::new()),
            Some(Elements::Expression(site)) => {
                let items = self.given.evaluate(site, |value, machine| {
                    let got = value.len().unwrap_or(0);
                    if value.is_list() && got > FAN_OUT {
                        return Err(Problem::TooMany { got });
                    }
                    value.to_json(machine)
                })?;
                match items {
                    Value::Array(items) => Ok(items),
                    other => {
                        let got = Val::of(&other).kind();
                        let expected = "a list";
                        Err(EvaluationError::of(
                            site,
                            Problem::Expected { expected, got },
                        ))
                    }
                }
            }
            Some(Elements::List(template)) => match self.given.json(template)? {
                Value::Array(items) => Ok(items),
                other => Ok(vec![other]),
            },
        }
    }

    /// The step's task. For a `for_each`, with the element and its place, from 0.
    pub fn spec(&self, item: Option<(u32, &Value)>) -> Result<TaskSpec, TaskError> {
        let plain = || {
            let mut task = self.programs.fixed.clone();
            task.extend(self.fields(None, |has_expression| !has_expression).ok()?);
            read(task).ok()
        };
        if let Some(plain) = self.programs.plain.get_or_init(plain) {
            let fields = self.fields(item, |has_expression| has_expression)?;
            if let Some(spec) = spec::alter(plain, fields, PAYLOAD_BYTES) {
                return Ok(spec);
            }
        }
        let mut task = self.programs.fixed.clone();
        task.extend(self.fields(item, |_| true)?);
        Ok(read(task)?)
    }

    /// The step's task as a task spec in JSON: what [`capataz_api::spec::parse_task`] reads, and
    /// checks. For a `for_each`, with the element and its place, from 0.
    pub fn task(&self, item: Option<(u32, &Value)>) -> Result<Value, EvaluationError> {
        let mut task = self.programs.fixed.clone();
        task.extend(self.fields(item, |_| true)?);
        Ok(Value::Object(task))
    }

    /// The fields of the task that may be templates, and that are wanted: with expressions or
    /// without.
    fn fields(
        &self,
        item: Option<(u32, &Value)>,
        wanted: impl Fn(bool) -> bool,
    ) -> Result<Map<String, Value>, EvaluationError> {
        let programs = self.programs;
        let element = self.given.element(item);
        let mut machine = Machine::new(&element);
        let failed = |failed: Failed| EvaluationError::of(&failed.0, failed.1);
        let mut fields = Map::new();
        let lists = [
            ("argv", &programs.argv),
            ("tags", &*programs.tags),
            ("affinity", &*programs.affinity),
        ];
        for (name, templates) in lists {
            let has_expression = templates.iter().any(Template::has_expression);
            if !templates.is_empty() && wanted(has_expression) {
                let texts = templates.iter().map(|it| it.text(&mut machine));
                let texts = texts.map(|text| text.map(Value::String));
                let texts = texts.collect::<Result<_, _>>().map_err(failed)?;
                fields.insert(name.to_owned(), Value::Array(texts));
            }
        }
        let has_expression = programs.env.iter().any(|(_, it)| it.has_expression());
        if !programs.env.is_empty() && wanted(has_expression) {
            let mut env = Map::new();
            for (name, template) in &programs.env {
                let text = template.text(&mut machine).map_err(failed)?;
                env.insert(name.clone(), Value::String(text));
            }
            fields.insert("env".to_owned(), Value::Object(env));
        }
        let values = [
            ("payload", programs.payload.as_ref()),
            ("meta", programs.meta.as_deref()),
        ];
        for (name, template) in values {
            if let Some(template) = template.filter(|it| wanted(it.has_expression())) {
                let value = template.value(&mut machine).map_err(failed)?;
                fields.insert(name.to_owned(), value);
            }
        }
        Ok(fields)
    }
}

fn read(task: Map<String, Value>) -> Result<TaskSpec, SpecError> {
    spec::parse_task(Value::Object(task).to_string().as_bytes(), PAYLOAD_BYTES)
}

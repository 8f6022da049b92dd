//! Definitions made by programs. Nothing is checked here: [`crate::Workflow::from_definition`]
//! does that.

use std::time::Duration;

use capataz_api::Span;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use super::model::{Backoff, Definition, OnConflict, Parameter, ParameterType, Repeat};
use super::read;
use super::step::{After, ForEach, Join, On, StepDefinition};
use crate::document::Node;
use crate::refusal::{Flaws, Refusal};

impl Definition {
    /// A workflow without steps; it needs one at least.
    pub fn new(name: impl Into<String>) -> Definition {
        Definition {
            name: name.into(),
            ..Definition::default()
        }
    }

    /// The document as JSON, without what says nothing.
    pub fn to_json(&self) -> Value {
        // Texts, numbers and values are always JSON.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// Says what it is for.
    pub fn description(mut self, text: impl Into<String>) -> Definition {
        self.description = Some(text.into());
        self
    }

    /// Adds a parameter.
    pub fn parameter(mut self, name: impl Into<String>, parameter: Parameter) -> Definition {
        self.parameters.push((name.into(), parameter));
        self
    }

    /// Sets the consumer group of every step that names none.
    pub fn default_group(mut self, group: impl Into<String>) -> Definition {
        self.defaults.group = Some(group.into());
        self
    }

    /// Sets the priority of runs, and of steps that name none: 1 to 9.
    pub fn priority(mut self, priority: u32) -> Definition {
        self.priority = Some(priority);
        self
    }

    /// Adds a tag to each run: a template.
    pub fn tag(mut self, tag: impl Into<String>) -> Definition {
        self.tags.push(tag.into());
        self
    }

    /// Bounds how many runs live at once.
    pub fn max_runs(mut self, runs: u32) -> Definition {
        self.max_runs = Some(runs);
        self
    }

    /// Bounds how many tasks of steps are queued or running at once, over all runs.
    pub fn max_steps(mut self, steps: u32) -> Definition {
        self.max_steps = Some(steps);
        self
    }

    /// Holds new runs back while runs keep failing.
    pub fn backoff(mut self, backoff: Backoff) -> Definition {
        self.backoff = Some(backoff);
        self
    }

    /// Lets one run with the same key live at a time: a template.
    pub fn conflict_key(mut self, key: impl Into<String>, on_conflict: OnConflict) -> Definition {
        self.conflict_key = Some(key.into());
        self.on_conflict = on_conflict;
        self
    }

    /// Prefers the worker that ran the first step for the others.
    pub fn sticky(mut self) -> Definition {
        self.sticky = true;
        self
    }

    /// Sets the message that runs begin with: a value with templates.
    pub fn message(mut self, message: impl Into<Value>) -> Definition {
        self.message = Some(message.into());
        self
    }

    /// Starts a successor when a run has succeeded.
    pub fn repeat(mut self, repeat: Repeat) -> Definition {
        self.repeat = Some(repeat);
        self
    }

    /// Sets what a run returns: a value with templates.
    pub fn result(mut self, result: impl Into<Value>) -> Definition {
        self.result = Some(result.into());
        self
    }

    /// Adds a step.
    pub fn step(mut self, step: StepDefinition) -> Definition {
        self.steps.push(step);
        self
    }
}

impl<'de> Deserialize<'de> for Definition {
    /// Reads a document and reports every field that is flawed in itself. The workflow as a whole
    /// is not checked.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Definition, D::Error> {
        let document = Node::from_json(&Value::deserialize(deserializer)?);
        let mut flaws = Flaws::default();
        let definition = read::read(&document, &mut flaws);
        let refusal = |refusal: Refusal| D::Error::custom(refusal);
        flaws.into_result(&document).map_err(refusal)?;
        Ok(definition)
    }
}

impl Parameter {
    /// A parameter of some type, required.
    pub fn new(kind: ParameterType) -> Parameter {
        Parameter {
            kind,
            default: None,
            description: None,
            choices: Vec::new(),
        }
    }

    /// A text.
    pub fn text() -> Parameter {
        Parameter::new(ParameterType::String)
    }

    /// A whole number.
    pub fn integer() -> Parameter {
        Parameter::new(ParameterType::Integer)
    }

    /// Any number.
    pub fn number() -> Parameter {
        Parameter::new(ParameterType::Number)
    }

    /// `true` or `false`.
    pub fn boolean() -> Parameter {
        Parameter::new(ParameterType::Boolean)
    }

    /// A list of anything.
    pub fn list() -> Parameter {
        Parameter::new(ParameterType::List)
    }

    /// A map of anything.
    pub fn object() -> Parameter {
        Parameter::new(ParameterType::Object)
    }

    /// What it is when a run is not given it.
    pub fn default(mut self, value: impl Into<Value>) -> Parameter {
        self.default = Some(value.into());
        self
    }

    /// Says what it is for.
    pub fn description(mut self, text: impl Into<String>) -> Parameter {
        self.description = Some(text.into());
        self
    }

    /// The only values that are taken.
    pub fn choices<V: Into<Value>>(mut self, values: impl IntoIterator<Item = V>) -> Parameter {
        self.choices = values.into_iter().map(Into::into).collect();
        self
    }
}

impl Repeat {
    /// Repeats until an expression is true.
    pub fn until(expression: impl Into<String>) -> Repeat {
        Repeat {
            until: expression.into(),
            params: serde_json::Map::new(),
            max: None,
        }
    }

    /// Alters a parameter of the successor: a value with templates.
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Repeat {
        self.params.insert(name.into(), value.into());
        self
    }

    /// Bounds the runs in a row, the first included.
    pub fn max(mut self, runs: u32) -> Repeat {
        self.max = Some(runs);
        self
    }
}

impl StepDefinition {
    /// A step that runs as soon as its run has begun.
    pub fn new(id: impl Into<String>) -> StepDefinition {
        StepDefinition {
            id: id.into(),
            ..StepDefinition::default()
        }
    }

    /// A step with nothing to run.
    pub fn noop(id: impl Into<String>) -> StepDefinition {
        StepDefinition {
            noop: true,
            ..StepDefinition::new(id)
        }
    }

    /// Waits for a step to succeed.
    pub fn after(self, step: impl Into<String>) -> StepDefinition {
        self.edge(step, On::Success)
    }

    /// Waits for a step to fail.
    pub fn on_failure_of(self, step: impl Into<String>) -> StepDefinition {
        self.edge(step, On::Failure)
    }

    /// Waits for a step to end, however.
    pub fn after_any_end_of(self, step: impl Into<String>) -> StepDefinition {
        self.edge(step, On::Any)
    }

    fn edge(mut self, step: impl Into<String>, on: On) -> StepDefinition {
        let step = step.into();
        self.after.push(After { step, on });
        self
    }

    /// Waits for one of the steps before it, not for all.
    pub fn join_any(mut self) -> StepDefinition {
        self.join = Join::Any;
        self
    }

    /// Runs only when an expression is true.
    pub fn when(mut self, expression: impl Into<String>) -> StepDefinition {
        self.when = Some(expression.into());
        self
    }

    /// Runs once for each element of the list that an expression gives.
    pub fn for_each(mut self, expression: impl Into<String>) -> StepDefinition {
        self.for_each = Some(ForEach::Expression(expression.into()));
        self
    }

    /// Runs once for each of these elements: values with templates.
    pub fn for_each_of<V: Into<Value>>(
        mut self,
        elements: impl IntoIterator<Item = V>,
    ) -> StepDefinition {
        let elements = elements.into_iter().map(Into::into).collect();
        self.for_each = Some(ForEach::List(elements));
        self
    }

    /// Bounds how many elements run at once.
    pub fn parallelism(mut self, elements: u32) -> StepDefinition {
        self.parallelism = Some(elements);
        self
    }

    /// Lets the run succeed though this step fails.
    pub fn allow_failure(mut self) -> StepDefinition {
        self.allow_failure = true;
        self
    }

    /// Makes its output the run's message for the steps after it.
    pub fn alters_message(mut self) -> StepDefinition {
        self.alters_message = true;
        self
    }

    /// Sets the consumer group.
    pub fn group(mut self, group: impl Into<String>) -> StepDefinition {
        self.task.group = Some(group.into());
        self
    }

    /// Sets program and arguments: templates.
    pub fn argv<T: Into<String>>(mut self, argv: impl IntoIterator<Item = T>) -> StepDefinition {
        self.task.argv = argv.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the payload: a value with templates.
    pub fn payload(mut self, payload: impl Into<Value>) -> StepDefinition {
        self.task.payload = Some(payload.into());
        self
    }

    /// Adds an environment variable: a template.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> StepDefinition {
        self.task.env.insert(name.into(), value.into());
        self
    }

    /// Adds a tag: a template.
    pub fn tag(mut self, tag: impl Into<String>) -> StepDefinition {
        let tags = self.task.tags.get_or_insert_default();
        tags.push(tag.into());
        self
    }

    /// Adds an affinity key: a template.
    pub fn affinity(mut self, key: impl Into<String>) -> StepDefinition {
        let keys = self.task.affinity.get_or_insert_default();
        keys.push(key.into());
        self
    }

    /// Sets what is kept with the task: a value with templates.
    pub fn meta(mut self, meta: impl Into<Value>) -> StepDefinition {
        self.task.meta = Some(meta.into());
        self
    }

    /// Sets the priority: 1 to 9.
    pub fn priority(mut self, priority: u32) -> StepDefinition {
        self.task.priority = Some(priority);
        self
    }

    /// Sets how many attempts may fail before the step does.
    pub fn max_attempts(mut self, attempts: u32) -> StepDefinition {
        self.task.max_attempts = Some(attempts);
        self
    }

    /// Sets the first pause before a failed attempt is tried again.
    pub fn backoff(mut self, pause: Duration) -> StepDefinition {
        self.task.backoff = Some(seconds(pause));
        self
    }

    /// Sets how many lost workers are forgiven.
    pub fn max_lost(mut self, lost: u32) -> StepDefinition {
        self.task.max_lost = Some(lost);
        self
    }

    /// Sets how long one attempt may run.
    pub fn timeout(mut self, timeout: Duration) -> StepDefinition {
        self.task.timeout = Some(seconds(timeout));
        self
    }

    /// Sets how long to wait, once it is ready, before it is queued.
    pub fn delay(mut self, delay: Duration) -> StepDefinition {
        self.task.delay = Some(seconds(delay));
        self
    }
}

fn seconds(duration: Duration) -> Value {
    Span::from(duration).as_secs_f64().into()
}

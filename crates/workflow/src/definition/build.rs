//! Definitions made by programs. Nothing is checked here: [`crate::Workflow::from_definition`]
//! does that.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use super::model::{Backoff, Definition, OnConflict, Parameter, ParameterType, Repeat};
use super::read;
use super::step::StepDefinition;
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
        let mut flaws = Flaws::new(&document);
        let definition = read::read(&document, &mut flaws);
        let refusal = |refusal: Refusal| D::Error::custom(refusal);
        flaws.into_result().map_err(refusal)?;
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

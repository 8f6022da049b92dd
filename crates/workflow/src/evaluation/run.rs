//! What the expressions of a workflow give, step by step and for the run as a whole.

use serde_json::{Map, Value};

use super::error::EvaluationError;
use super::given::Given;
use super::inputs::Inputs;
use crate::scope::Scope;
use crate::workflow::Workflow;

impl Workflow {
    /// What the expressions of a step refer to.
    ///
    /// # Panics
    ///
    /// If there is no such step.
    pub fn inputs<'s>(&'s self, step: usize, scope: &'s dyn Scope) -> Inputs<'s> {
        Inputs::new(self, step, scope)
    }

    /// [`Inputs::when`] of a step.
    pub fn when(&self, step: usize, scope: &dyn Scope) -> Result<bool, EvaluationError> {
        self.inputs(step, scope).when()
    }

    /// [`Inputs::items`] of a step.
    pub fn items(&self, step: usize, scope: &dyn Scope) -> Result<Vec<Value>, EvaluationError> {
        self.inputs(step, scope).items()
    }

    /// [`Inputs::task`] of a step. For many elements of one step, keep its [`Workflow::inputs`].
    pub fn task(
        &self,
        step: usize,
        scope: &dyn Scope,
        item: Option<(u32, &Value)>,
    ) -> Result<Value, EvaluationError> {
        self.inputs(step, scope).task(item)
    }

    /// The key of which one run lives at a time: 1 to 255 bytes; none without a `conflict_key`.
    pub fn conflict_key(&self, scope: &dyn Scope) -> Result<Option<String>, EvaluationError> {
        let given = self.given(scope);
        let key = self.settings.conflict_key.as_ref();
        key.map(|key| given.name(key)).transpose()
    }

    /// The tags of a run, each 1 to 255 bytes.
    pub fn tags(&self, scope: &dyn Scope) -> Result<Vec<String>, EvaluationError> {
        let given = self.given(scope);
        let tags = self.settings.tags.iter().map(|tag| given.name(tag));
        tags.collect()
    }

    /// The message that a run begins with; none without a `message`.
    pub fn message(&self, scope: &dyn Scope) -> Result<Option<Value>, EvaluationError> {
        let given = self.given(scope);
        let message = self.settings.message.as_ref();
        message.map(|it| given.json(it)).transpose()
    }

    /// Whether no successor is to be started; none without a `repeat`.
    pub fn repeat_until(&self, scope: &dyn Scope) -> Result<Option<bool>, EvaluationError> {
        let given = self.given(scope);
        let until = self.settings.until.as_ref();
        until.map(|until| given.boolean(until)).transpose()
    }

    /// The parameters of a run's successor: those of the run, and those that `repeat` alters. They
    /// still have to pass [`Workflow::parameters`].
    pub fn repeat_params(&self, scope: &dyn Scope) -> Result<Map<String, Value>, EvaluationError> {
        let given = self.given(scope);
        let mut params = match scope.params() {
            Value::Object(params) => params.clone(),
            _ => Map::new(),
        };
        for (name, template) in &self.settings.successor {
            params.insert(name.clone(), given.json(template)?);
        }
        Ok(params)
    }

    /// What a run that succeeded returns; none without a `result`.
    pub fn result(&self, scope: &dyn Scope) -> Result<Option<Value>, EvaluationError> {
        let given = self.given(scope);
        let result = self.settings.result.as_ref();
        result.map(|it| given.json(it)).transpose()
    }

    /// What the expressions of the workflow as a whole refer to.
    fn given<'s>(&'s self, scope: &'s dyn Scope) -> Given<'s> {
        Given::new(self, scope, &self.settings.sites)
    }
}

//! Steps made by programs. Nothing is checked here, either.

use std::time::Duration;

use capataz_api::Span;
use serde_json::Value;

use super::step::{After, ForEach, Join, On, StepDefinition};

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

    /// Says about how long it takes, as long as no run has shown it.
    pub fn expected(mut self, span: Duration) -> StepDefinition {
        self.expected = Some(seconds(span));
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

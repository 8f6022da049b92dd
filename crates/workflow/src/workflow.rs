//! A definition that has been checked.

use std::time::Duration;

use capataz_api::{Span, limits as task_limits};
use serde_json::{Map, Value};

use crate::compile::{self, Programs, Settings};
use crate::definition::{Definition, Join, On, OnConflict, StepDefinition};
use crate::limits::REPEAT_DEFAULT;
use crate::refusal::Refusal;

/// A workflow that runs can be made of: a graph without flaws, and compiled expressions. It never
/// changes; share it in an `Arc`.
#[derive(Debug)]
pub struct Workflow {
    definition: Definition,
    steps: Vec<Step>,
    pub(crate) programs: Vec<Programs>,
    pub(crate) settings: Settings,
}

/// A node of the graph.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Its name, unique in the workflow.
    pub id: String,
    /// The steps before it, by their places in [`Workflow::steps`], each at most once.
    pub after: Vec<(usize, On)>,
    /// How many of them must have ended as asked.
    pub join: Join,
    /// Whether there is something to run.
    pub kind: Kind,
    /// The run may succeed though it fails.
    pub allow_failure: bool,
    /// It has a condition: see [`Workflow::when`].
    pub has_when: bool,
    /// It runs once for each element: see [`Workflow::items`].
    pub has_for_each: bool,
    /// Elements that may run at once; none for any number.
    pub parallelism: Option<u32>,
    /// About how long it takes, if its author says so.
    pub expected: Option<Duration>,
    /// Somebody refers to its output (or, with `for_each`, to those of its elements), or it alters
    /// the message.
    pub keeps_output: bool,
    /// Its output becomes the message for the steps after it. Nobody who alters or reads the
    /// message can run at the same time.
    pub alters_message: bool,
    /// 1 to 9, 9 most urgent.
    pub priority: u32,
    /// The consumer group; none for a noop.
    pub group: Option<String>,
}

/// What a step is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A task, or one for each element.
    Task,
    /// Nothing to run: it only starts, branches or joins.
    Noop,
}

/// How new runs are held back while runs keep failing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hold {
    /// After so many runs that failed in a row.
    pub after: u32,
    /// The first pause.
    pub initial: Duration,
    /// What it is multiplied with after each further failure, 1 to 100.
    pub factor: f64,
    /// The longest pause.
    pub max: Duration,
}

impl Workflow {
    /// Reads and checks a definition in YAML or JSON. The refusal lists every flaw that was found.
    pub fn parse(text: &str) -> Result<Workflow, Refusal> {
        compile::from_text(text)
    }

    /// Checks a definition that a program has built.
    pub fn from_definition(definition: &Definition) -> Result<Workflow, Refusal> {
        compile::from_definition(definition)
    }

    /// The same workflow with more steps at its end; those that are there keep their places. New
    /// steps may come after any step, and count towards all limits.
    ///
    /// The whole is checked anew, so add many steps at once. A step may keep its output from now on
    /// because a new one refers to it: see [`Step::keeps_output`].
    pub fn extended(&self, more: Vec<StepDefinition>) -> Result<Workflow, Refusal> {
        let mut definition = self.definition.clone();
        definition.steps.extend(more);
        Workflow::from_definition(&definition)
    }

    pub(crate) fn new(
        definition: Definition,
        steps: Vec<Step>,
        programs: Vec<Programs>,
        settings: Settings,
    ) -> Workflow {
        Workflow {
            definition,
            steps,
            programs,
            settings,
        }
    }

    /// The document, with nothing left out and nothing filled in.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The canonical document: what is stored, and what a run pins.
    pub fn to_json(&self) -> Value {
        self.definition.to_json()
    }

    /// What runs name it by.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// The graph, in the order of the document.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The names of the secrets that a step's task is given, those of `defaults` counted in.
    pub fn secrets(&self, step: usize) -> impl Iterator<Item = &str> {
        let named = self.programs[step].fixed.get("env_secret");
        // A list of names, or an object of names by variable.
        let list = named.and_then(Value::as_array).into_iter().flatten();
        let object = named.and_then(Value::as_object).into_iter();
        list.chain(object.flat_map(Map::values))
            .filter_map(Value::as_str)
    }

    /// 1 to 9, 9 most urgent: orders runs.
    pub fn priority(&self) -> u32 {
        let priority = self.definition.priority;
        priority.unwrap_or(task_limits::PRIORITY_DEFAULT)
    }

    /// Runs that may live at once; none for any number.
    pub fn max_runs(&self) -> Option<u32> {
        self.definition.max_runs
    }

    /// Tasks of steps that may be queued or running at once over all runs; none for any number.
    pub fn max_steps(&self) -> Option<u32> {
        self.definition.max_steps
    }

    /// How new runs are held back while runs keep failing; none when they never are.
    pub fn backoff(&self) -> Option<Hold> {
        let backoff = self.definition.backoff.as_ref()?;
        let span = |value: &Option<Value>, default| {
            let given = value.as_ref().and_then(|v| compile::read_span(v).ok());
            given.unwrap_or(Span(default))
        };
        let initial = span(&backoff.initial, task_limits::BACKOFF_INITIAL_US);
        let longest = span(&backoff.max, task_limits::BACKOFF_CAP_US.max(initial.0));
        let factor = f64::from(task_limits::BACKOFF_FACTOR_PERCENT) / 100.0;
        Some(Hold {
            after: backoff.after.unwrap_or(1),
            initial: initial.into(),
            factor: backoff.factor.unwrap_or(factor),
            max: longest.into(),
        })
    }

    /// What a run does whose [`Workflow::conflict_key`] is taken.
    pub fn on_conflict(&self) -> OnConflict {
        self.definition.on_conflict
    }

    /// Whether the worker that ran the first step is preferred for the others.
    pub fn is_sticky(&self) -> bool {
        self.definition.sticky
    }

    /// Whether a successor may be started when a run has succeeded, and how many runs there may be
    /// in a row, the first included.
    pub fn repeat_max(&self) -> Option<u32> {
        let repeat = self.definition.repeat.as_ref()?;
        Some(repeat.max.unwrap_or(REPEAT_DEFAULT))
    }
}

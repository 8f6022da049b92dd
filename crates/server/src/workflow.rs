//! The only bridge between what a workflow is and what the engine knows of it.
//!
//! Definitions are compiled here, and what is compiled is remembered by its content, for REST and
//! for the owner alike. Nothing here reads the state or changes it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use capataz_api::limits::TAGS;
use capataz_api::rest::present;
use capataz_engine::{
    Backoff, Edge, Graph, Hold, Join, NewRun, Node, NodeKind, On, RunId, RunKey, Settings, Span,
    Version,
};
use capataz_workflow::limits::RUN_VALUE_BYTES;
use capataz_workflow::{
    Definition, EvaluationError, Kind, Output, ParameterRefusal, Place, Refusal, Scope, Step,
    Workflow,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::convert;

/// Steps of compiled workflows that are remembered: some hundreds of megabytes at the most.
const STEPS_REMEMBERED: usize = 200_000;

/// A definition that was compiled, as it is to be registered or followed.
pub struct Compiled {
    /// The workflow.
    pub workflow: Arc<Workflow>,
    /// What the engine is given of it.
    pub version: Version,
}

/// Labels of a run, and whatever else only the store looks at: a run's body, as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunBody {
    /// Its labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The client's key for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The message that it was given when it was started, of a run that may be repeated: those that
    /// repeat it begin with it, too.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub message: Option<Value>,
}

/// What is asked of a run beside its parameters.
#[derive(Clone, Default)]
pub struct Wishes {
    /// Labels on top of those of the workflow.
    pub tags: Vec<String>,
    /// Its priority, if not the workflow's.
    pub priority: Option<u8>,
    /// Its conflict key, if not the workflow's.
    pub conflict: Option<String>,
    /// The message that it begins with, if not the workflow's.
    pub message: Option<Value>,
    /// The client's key for it, with the hash of what is asked under it.
    pub key: Option<(String, u128)>,
    /// How long its steps are expected to take, in milliseconds.
    pub expected: Vec<u32>,
    /// The run that it repeats, and how many came before it.
    pub repeats: Option<(RunId, u32)>,
}

/// Why a run cannot be made of a workflow. Nothing is started.
#[derive(Debug, thiserror::Error)]
pub enum NewRunError {
    /// Its parameters are not what the workflow asks for.
    #[error("{0}")]
    Parameters(#[from] ParameterRefusal),
    /// An expression that is evaluated when a run starts fails. It says where in the document, but
    /// not in which line: what was registered is not kept as its author wrote it.
    #[error("{0}")]
    Expression(EvaluationError),
    /// The workflow's tags and those asked for are too many.
    #[error("a run has at most {TAGS} tags, got {got}")]
    Tags {
        /// How many.
        got: usize,
    },
    /// The message that it would begin with is too large.
    #[error("the message of a run has at most {RUN_VALUE_BYTES} bytes, got {got}")]
    Message {
        /// Its size.
        got: usize,
    },
}

impl From<EvaluationError> for NewRunError {
    fn from(error: EvaluationError) -> NewRunError {
        let place = Place::default();
        NewRunError::Expression(EvaluationError { place, ..error })
    }
}

/// Compiles a definition in YAML or JSON.
///
/// # Errors
///
/// All of its flaws.
pub fn compile(text: &str) -> Result<Compiled, Refusal> {
    Ok(of(Workflow::parse(text)?))
}

/// A compiled workflow as it is to be registered or followed.
pub fn of(workflow: Workflow) -> Compiled {
    let definition = Bytes::from(workflow.to_json().to_string());
    let version = Version {
        content: convert::hash(&definition),
        settings: settings(&workflow),
        graph: graph(&workflow),
        definition,
    };
    let workflow = Arc::new(workflow);
    remember(version.content, Arc::clone(&workflow));
    Compiled { workflow, version }
}

/// The workflow of a version that was compiled before: by this process, or by another.
///
/// # Errors
///
/// What is wrong with it, when an older or newer Capataz has taken what this one does not.
pub fn compiled(version: &Version) -> Result<Arc<Workflow>, Refusal> {
    if let Some(workflow) = remembered(version.content) {
        return Ok(workflow);
    }
    let workflow = Arc::new(read(&version.definition)?);
    remember(version.content, Arc::clone(&workflow));
    Ok(workflow)
}

/// The workflow of a version by the hash of its definition, if it was compiled lately.
pub(crate) fn remembered(content: u128) -> Option<Arc<Workflow>> {
    known().get(&content).cloned()
}

/// Reads a stored definition: longer, perhaps, than what its author wrote, and without places.
fn read(definition: &[u8]) -> Result<Workflow, Refusal> {
    match serde_json::from_slice::<Definition>(definition) {
        Ok(definition) => Workflow::from_definition(&definition),
        // What does not even have the form is refused with what is wrong with its text.
        Err(_) => Workflow::parse(&String::from_utf8_lossy(definition)),
    }
}

/// A run of a workflow, with everything that is worked out when it starts.
///
/// # Errors
///
/// [`NewRunError`].
pub fn new_run(
    workflow: &Workflow,
    given: &Map<String, Value>,
    wishes: Wishes,
) -> Result<NewRun, NewRunError> {
    let parameters = workflow.parameters(given)?;
    let scope = Beginning {
        parameters: &parameters,
    };
    let mut tags = workflow.tags(&scope)?;
    tags.extend(wishes.tags);
    tags.sort_unstable();
    tags.dedup();
    if tags.len() > TAGS {
        return Err(NewRunError::Tags { got: tags.len() });
    }
    let conflict = match wishes.conflict {
        Some(key) => Some(key),
        None => conflict_key(workflow, &parameters)?,
    };
    let message = match &wishes.message {
        Some(given) => Some(given.clone()),
        None => workflow.message(&scope)?,
    };
    let message = message.map_or_else(Bytes::new, |message| Bytes::from(message.to_string()));
    if message.len() > RUN_VALUE_BYTES {
        return Err(NewRunError::Message { got: message.len() });
    }
    let key = wishes.key.as_ref().map(|(key, content)| RunKey {
        id: convert::hash(&[workflow.name().as_bytes(), &[0], key.as_bytes()].concat()),
        content: *content,
    });
    let body = RunBody {
        tags,
        key: wishes.key.map(|(key, _)| key),
        message: wishes.message.filter(|_| workflow.repeat_max().is_some()),
    };
    let priority = workflow.priority().min(u8::MAX.into()) as u8;
    let (previous, repetition) = wishes.repeats.unzip();
    Ok(NewRun {
        parameters: Bytes::from(parameters.to_string()),
        message,
        body: body.write(),
        key,
        conflict,
        priority: wishes.priority.unwrap_or(priority),
        expected: expected(workflow, &wishes.expected),
        repetition: repetition.unwrap_or(0),
        previous,
    })
}

/// The conflict key of a run with these parameters, unless its caller gives it another.
pub(crate) fn conflict_key(
    workflow: &Workflow,
    parameters: &Value,
) -> Result<Option<String>, EvaluationError> {
    workflow.conflict_key(&Beginning { parameters })
}

/// How long each step takes: as the history shows, or else as its author says, or else, when
/// something is known of others, as long as these do in the middle. Empty when nothing is known.
fn expected(workflow: &Workflow, shown: &[u32]) -> Vec<u32> {
    let millis = |(place, step): (usize, &Step)| {
        let shown = shown.get(place).copied().filter(|millis| *millis > 0);
        let said = step.expected.map(|span| span.as_millis());
        let said = said.map(|millis| u32::try_from(millis).unwrap_or(u32::MAX));
        match step.kind {
            Kind::Noop => Some(0),
            Kind::Task => shown.or(said),
        }
    };
    let known: Vec<Option<u32>> = workflow.steps().iter().enumerate().map(millis).collect();
    let tasks = workflow.steps().iter().zip(&known);
    let tasks = tasks.filter(|(step, _)| step.kind == Kind::Task);
    let mut sorted: Vec<u32> = tasks.filter_map(|(_, known)| *known).collect();
    sorted.sort_unstable();
    let Some(middle) = sorted.get(sorted.len() / 2).copied() else {
        return Vec::new();
    };
    known
        .into_iter()
        .map(|known| known.unwrap_or(middle))
        .collect()
}

impl RunBody {
    /// Reads a run's body; one that is none has nothing in it.
    pub fn read(body: &[u8]) -> RunBody {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The body as the engine passes it on.
    pub fn write(&self) -> Bytes {
        // Texts are always JSON.
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// A run before it begins: expressions of the workflow as a whole see its parameters only.
struct Beginning<'a> {
    parameters: &'a Value,
}

impl Scope for Beginning<'_> {
    fn run_id(&self) -> &str {
        ""
    }

    fn version(&self) -> u64 {
        0
    }

    fn params(&self) -> &Value {
        self.parameters
    }

    fn output(&self, _: usize) -> Output<'_> {
        Output::None
    }

    fn state(&self, _: usize) -> &str {
        "blocked"
    }

    fn message(&self) -> Option<std::borrow::Cow<'_, [u8]>> {
        None
    }
}

type Known = HashMap<u128, Arc<Workflow>>;

/// What was compiled lately. Contents are hashes of definitions, so nothing in it is ever stale.
fn known() -> MutexGuard<'static, Known> {
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    // A panic with the lock would leave a map, which is still one.
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remember(content: u128, workflow: Arc<Workflow>) {
    let mut known = known();
    let steps: usize = known.values().map(|known| known.steps().len() + 1).sum();
    if steps > STEPS_REMEMBERED {
        known.clear();
    }
    known.insert(content, workflow);
}

fn settings(workflow: &Workflow) -> Settings {
    let micros = |span: std::time::Duration| Span(u64::try_from(span.as_micros()).unwrap_or(0));
    let hold = workflow.backoff().map(|backoff| Hold {
        after: backoff.after,
        pause: Backoff {
            initial: micros(backoff.initial),
            factor_percent: (backoff.factor * 100.0) as u32,
            cap: micros(backoff.max),
            jitter_percent: 0,
        },
    });
    Settings {
        max_runs: workflow.max_runs(),
        max_steps: workflow.max_steps(),
        hold,
        asks_at_end: workflow.repeat_max().is_some() || workflow.definition().result.is_some(),
    }
}

fn graph(workflow: &Workflow) -> Graph {
    Graph {
        steps: workflow.steps().iter().map(node).collect(),
    }
}

fn node(step: &Step) -> Node {
    let edge = |(step, on): &(usize, capataz_workflow::On)| Edge {
        step: *step as u32,
        on: match on {
            capataz_workflow::On::Success => On::Success,
            capataz_workflow::On::Failure => On::Failure,
            capataz_workflow::On::Any => On::Any,
        },
    };
    Node {
        name: step.id.clone(),
        after: step.after.iter().map(edge).collect(),
        join: match step.join {
            capataz_workflow::Join::All => Join::All,
            capataz_workflow::Join::Any => Join::Any,
        },
        kind: match (step.kind, step.has_for_each) {
            (Kind::Noop, _) => NodeKind::Noop,
            (Kind::Task, true) => NodeKind::FanOut,
            (Kind::Task, false) => NodeKind::Task,
        },
        conditional: step.has_when,
        allow_failure: step.allow_failure,
        keeps_output: step.keeps_output,
        alters_message: step.alters_message,
        parallelism: step.parallelism,
    }
}

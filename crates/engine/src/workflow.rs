//! A workflow as the engine knows it: a numbered graph and a few settings. What steps do, their
//! expressions and their templates are bytes of a definition that it passes on unread.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::policy::Backoff;

/// A workflow's number within its namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct WorkflowId(pub u32);

/// One version of a workflow. Its definition has been checked by whoever compiled it: the graph
/// has no cycle and refers to its own steps only.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Version {
    /// Hash of the definition: the same text is the same version.
    pub content: u128,
    /// What holds for all of its runs.
    pub settings: Settings,
    /// Its steps.
    pub graph: Graph,
    /// The definition, unread by the engine.
    pub definition: Bytes,
}

/// What a step takes in a graph, beside its name and its edges.
const NODE_BYTES: usize = 16;
/// What an edge takes in a graph.
const EDGE_BYTES: usize = 6;

impl Version {
    /// About how many bytes of a record it takes.
    pub fn size(&self) -> usize {
        let node = |node: &Node| node.name.len() + NODE_BYTES + node.after.len() * EDGE_BYTES;
        self.definition.len() + self.graph.steps.iter().map(node).sum::<usize>()
    }
}

/// What holds for all runs of a workflow.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Runs under way at once; the others wait.
    pub max_runs: Option<u32>,
    /// Tasks of its steps that wait or run at once, over all of its runs.
    pub max_steps: Option<u32>,
    /// How new runs are held back while runs keep failing.
    pub hold: Option<Hold>,
    /// Whether a run that succeeded is asked what comes of it: a result, or a run that repeats it.
    pub asks_at_end: bool,
}

/// New runs wait after so many runs in a row have failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hold {
    /// Failed runs in a row.
    pub after: u32,
    /// The pause, which grows with each further failure. It has no jitter.
    pub pause: Backoff,
}

/// The steps of a workflow, numbered by their place.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Graph {
    /// The steps.
    pub steps: Vec<Node>,
}

/// A step in a graph.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its id, unique in the graph.
    pub name: String,
    /// The steps it comes after.
    pub after: Vec<Edge>,
    /// How many of them it needs.
    pub join: Join,
    /// What happens when it is ready.
    pub kind: NodeKind,
    /// It starts only if an expression says so.
    pub conditional: bool,
    /// Its failure is none of the run's.
    pub allow_failure: bool,
    /// What it returns is kept for other steps.
    pub keeps_output: bool,
    /// What it returns becomes the run's message.
    pub alters_message: bool,
    /// Elements of a fan-out that wait or run at once.
    pub parallelism: Option<u32>,
}

/// What a step is when it is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NodeKind {
    /// One task.
    Task,
    /// Nothing: it succeeds at once.
    Noop,
    /// A task for each item of a list.
    FanOut,
}

/// A step comes after another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Edge {
    /// The other's number.
    pub step: u32,
    /// How the other must have ended.
    pub on: On,
}

/// How a step must have ended for what comes after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum On {
    /// Well, or with a failure that is allowed, or left out by its own condition.
    Success,
    /// Badly: it failed or was cancelled.
    Failure,
    /// At all, skipped included.
    Any,
}

/// How many of its edges a step needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Join {
    /// All of them.
    All,
    /// One of them.
    Any,
}

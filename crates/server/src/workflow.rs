//! The bridge between what a workflow is (`capataz_workflow`) and what the engine knows of it.
//! Nothing in here decides anything.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use capataz_engine::{
    Backoff, Edge, Graph, Hold, Join, Node, NodeKind, On, Settings, Span, Version,
};
use capataz_workflow::{Kind, Refusal, Step, Workflow};

use crate::convert::hash;

/// Compiled workflows at hand: those of the runs under way are asked for again and again, and one
/// takes some ten times its text.
const COMPILED_KEPT: usize = 256;

/// Bytes of a version on record, its definition as JSON and its graph: with what else a turn may
/// hold, a record of the journal must take it.
pub const VERSION_BYTES: usize = 5 << 20;

/// A workflow that does not fit into a record of the journal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the workflow takes {got} bytes on record, at most {VERSION_BYTES} fit")]
pub struct TooLarge {
    /// What it takes.
    pub got: usize,
}

/// What the engine keeps of a checked workflow.
///
/// # Errors
///
/// [`TooLarge`].
pub fn version(workflow: &Workflow) -> Result<Version, TooLarge> {
    let definition = Bytes::from(workflow.to_json().to_string());
    let version = Version {
        content: hash(&definition),
        settings: settings(workflow),
        graph: Graph {
            steps: workflow.steps().iter().map(node).collect(),
        },
        definition,
    };
    match crate::owner::version_size(&version) {
        got if got > VERSION_BYTES => Err(TooLarge { got }),
        _ => Ok(version),
    }
}

fn settings(workflow: &Workflow) -> Settings {
    let definition = workflow.definition();
    let hold = workflow.backoff().map(|hold| Hold {
        after: hold.after,
        pause: Backoff {
            initial: span(hold.initial),
            factor_percent: (hold.factor * 100.0).round() as u32,
            cap: span(hold.max),
            jitter_percent: 0,
        },
    });
    Settings {
        max_runs: workflow.max_runs(),
        max_steps: workflow.max_steps(),
        hold,
        asks_at_end: definition.repeat.is_some() || definition.result.is_some(),
    }
}

fn span(duration: std::time::Duration) -> Span {
    Span(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
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
            (Kind::Task, false) => NodeKind::Task,
            (Kind::Task, true) => NodeKind::FanOut,
        },
        conditional: step.has_when,
        allow_failure: step.allow_failure,
        keeps_output: step.keeps_output,
        alters_message: step.alters_message,
        parallelism: step.parallelism,
    }
}

/// Workflows compiled from what the engine keeps, by the hash of their definition.
#[derive(Default)]
pub struct Compiled {
    known: HashMap<u128, Arc<Workflow>>,
    /// The oldest first.
    order: VecDeque<u128>,
}

impl Compiled {
    /// The workflow of a version.
    ///
    /// # Errors
    ///
    /// What its definition is refused for: it was written by another version of Capataz.
    pub fn of(&mut self, version: &Version) -> Result<Arc<Workflow>, Refusal> {
        if let Some(workflow) = self.known.get(&version.content) {
            return Ok(Arc::clone(workflow));
        }
        let text = String::from_utf8_lossy(&version.definition);
        let workflow = Arc::new(Workflow::parse(&text)?);
        if self.order.len() >= COMPILED_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(version.content);
        self.known.insert(version.content, Arc::clone(&workflow));
        Ok(workflow)
    }
}

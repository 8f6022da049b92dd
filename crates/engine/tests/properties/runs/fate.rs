//! Random workflows, and what is to become of their steps: settled beforehand, so that a model can
//! say how a run must end without having seen it.

use bytes::Bytes;
use capataz_engine::{
    Backoff, Edge, Graph, Hold, Join, Node, NodeKind, On, RunId, Settings, Span, Version,
};

use crate::chance::Chance;

/// What a step comes to if it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Succeeds,
    Fails,
    /// Its task is cancelled alone.
    IsCancelled,
    /// Its condition says no.
    LeftOut,
    /// Its template cannot be worked out.
    Breaks,
}

/// What a fan-out is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Items {
    pub(crate) count: u32,
    /// The first element whose template cannot be worked out.
    pub(crate) breaks_at: Option<u32>,
}

/// Decides all that is left to chance about a step in one of its rounds.
#[derive(Clone, Copy)]
pub(crate) struct Fates {
    pub(crate) seed: u64,
}

impl Fates {
    fn chance(self, run: RunId, step: u32, round: u32, about: u64) -> Chance {
        let mut chance = Chance::new(self.seed ^ about.wrapping_mul(0x9e37_79b9));
        for part in [run.0, step.into(), round.into()] {
            chance = Chance::new(chance.next() ^ part);
        }
        chance
    }

    pub(crate) fn of_step(self, node: &Node, run: RunId, step: u32, round: u32) -> Fate {
        let mut chance = self.chance(run, step, round, 1);
        if node.conditional && chance.percent(30) {
            return Fate::LeftOut;
        }
        match (node.kind, chance.below(100)) {
            (NodeKind::Noop, _) if !node.conditional => Fate::Succeeds,
            (_, 0..6) => Fate::Breaks,
            (NodeKind::Task, 6..20) => Fate::Fails,
            (NodeKind::Task, 20..26) => Fate::IsCancelled,
            _ => Fate::Succeeds,
        }
    }

    pub(crate) fn of_items(self, run: RunId, step: u32, round: u32) -> Items {
        let mut chance = self.chance(run, step, round, 2);
        let count = chance.below(6) as u32;
        let breaks_at = chance.maybe(15, |chance| chance.below(count.into()) as u32);
        Items {
            count,
            breaks_at: breaks_at.filter(|_| count > 0),
        }
    }

    pub(crate) fn of_element(self, run: RunId, step: u32, round: u32, element: u32) -> Fate {
        let mut chance = self.chance(run, step, round, 3 + u64::from(element));
        match chance.below(100) {
            0..8 => Fate::Fails,
            8..12 => Fate::IsCancelled,
            _ => Fate::Succeeds,
        }
    }
}

pub(crate) fn settings(chance: &mut Chance) -> Settings {
    let pause = Backoff {
        initial: Span::secs(20),
        jitter_percent: 0,
        ..Backoff::default()
    };
    Settings {
        max_runs: chance.maybe(40, |chance| 1 + chance.below(3) as u32),
        max_steps: chance.maybe(40, |chance| 1 + chance.below(4) as u32),
        hold: chance.maybe(30, |chance| Hold {
            after: 1 + chance.below(3) as u32,
            pause,
        }),
        asks_at_end: chance.percent(30),
    }
}

/// A version with a random graph.
pub(crate) fn version(chance: &mut Chance, settings: &Settings) -> Version {
    let mut graph = Graph::default();
    grow(chance, &mut graph, 12);
    Version {
        content: chance.next().into(),
        settings: settings.clone(),
        graph,
        definition: Bytes::new(),
    }
}

/// Adds a few steps, each after some of those before it.
pub(crate) fn grow(chance: &mut Chance, graph: &mut Graph, most: u64) {
    for _ in 0..1 + chance.below(most) {
        let number = graph.steps.len();
        let node = node(chance, number);
        graph.steps.push(node);
    }
}

fn node(chance: &mut Chance, number: usize) -> Node {
    let before = number as u64;
    let edges = chance.below(4).min(before);
    let after = (0..edges).map(|_| Edge {
        // Now and then the same one twice.
        step: chance.below(before) as u32,
        on: match chance.below(10) {
            0..6 => On::Success,
            6..8 => On::Failure,
            _ => On::Any,
        },
    });
    Node {
        name: format!("s{number}"),
        after: after.collect(),
        join: match chance.percent(30) {
            true => Join::Any,
            false => Join::All,
        },
        kind: match chance.below(10) {
            0..6 => NodeKind::Task,
            6..8 => NodeKind::Noop,
            _ => NodeKind::FanOut,
        },
        conditional: chance.percent(20),
        allow_failure: chance.percent(20),
        keeps_output: chance.percent(30),
        alters_message: chance.percent(5),
        parallelism: chance.maybe(40, |chance| 1 + chance.below(3) as u32),
    }
}

//! Steps that can never run because another one would have to fail and not to fail for them.
//!
//! That is asked for every step whose failure another one waits for: 64 of these are followed through
//! the graph together, a bit for each.

use super::graph::{Edge, Graph};
use crate::definition::{Definition, Join, On};
use crate::document::Path;
use crate::nearest;
use crate::refusal::{Flaws, Reason};

/// Steps that are followed through the graph at once.
const TOGETHER: usize = u64::BITS as usize;

/// What must have happened for a step to run: of each step that is followed, a bit.
#[derive(Clone, Copy, Default)]
struct Needs {
    failed: u64,
    went_well: u64,
}

pub(super) fn check(definition: &Definition, graph: &Graph, flaws: &mut Flaws<'_>) {
    let mut bits = vec![0u64; graph.before.len()];
    let waited_for = waited_for(definition, graph);
    for together in waited_for.chunks(TOGETHER) {
        for (bit, step) in together.iter().enumerate() {
            bits[*step] = 1 << bit;
        }
        report(definition, graph, &bits, together, flaws);
        for step in together {
            bits[*step] = 0;
        }
    }
}

/// The steps whose failure another one waits for, but for those that may fail: that satisfies every
/// edge.
fn waited_for(definition: &Definition, graph: &Graph) -> Vec<usize> {
    let edges = graph.before.iter().flatten();
    let failures = edges.filter(|(_, on)| *on == On::Failure);
    let steps = failures.map(|(step, _)| *step);
    let mut steps: Vec<usize> = steps
        .filter(|step| !definition.steps[*step].allow_failure)
        .collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

fn report(
    definition: &Definition,
    graph: &Graph,
    bits: &[u64],
    followed: &[usize],
    flaws: &mut Flaws<'_>,
) {
    let mut needs = vec![Needs::default(); bits.len()];
    // Behind a step that can never run there is nothing more to say.
    let mut said = vec![false; bits.len()];
    for step in &graph.order {
        let into = &graph.before[*step];
        let of = |edge: &Edge| of_edge(edge, bits, &needs);
        needs[*step] = match definition.steps[*step].join {
            Join::All => into.iter().map(of).fold(Needs::default(), Needs::either),
            Join::Any => into.iter().map(of).reduce(Needs::both).unwrap_or_default(),
        };
        let Needs { failed, went_well } = needs[*step];
        let clash = failed & went_well;
        let behind = into.iter().any(|(from, on)| *on != On::Any && said[*from]);
        said[*step] = clash != 0;
        if clash != 0 && !behind {
            let id = &definition.steps[followed[clash.trailing_zeros() as usize]].id;
            let because = format!(
                "{:?} would have to fail, and not to fail",
                nearest::shorten(id)
            );
            flaws.add(&Path::step(*step), Reason::NeverRuns { because });
        }
    }
}

/// What must have happened for an edge to be satisfied: its step ended so, and before that ran. A
/// step that is left out by its own condition satisfies as one that went well, and was ready.
fn of_edge((from, on): &Edge, bits: &[u64], needs: &[Needs]) -> Needs {
    let own = bits[*from];
    let before = needs[*from];
    match on {
        On::Any => Needs::default(),
        On::Failure => Needs {
            failed: before.failed | own,
            ..before
        },
        On::Success => Needs {
            went_well: before.went_well | own,
            ..before
        },
    }
}

impl Needs {
    /// What both need.
    fn both(self, other: Needs) -> Needs {
        Needs {
            failed: self.failed & other.failed,
            went_well: self.went_well & other.went_well,
        }
    }

    /// What either of them needs.
    fn either(self, other: Needs) -> Needs {
        Needs {
            failed: self.failed | other.failed,
            went_well: self.went_well | other.went_well,
        }
    }
}

//! The rules of runs, told naively: what a step waits for, and how all of a run must end. Shares no
//! code with the engine.

use capataz_engine::{Join, Node, NodeKind, On, Phase, Reason, RunId, StepOutcome, StepReason};

use super::fate::{Fate, Fates};

/// What is certain about a step before the rest of its run is worked out.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Certain {
    /// It ended so, in a round that is not repeated.
    Ended(StepOutcome),
    /// It has begun.
    Begun,
    Nothing,
}

/// Whether an edge is satisfied by a step that ended so.
pub(crate) fn is_met(on: On, parent: &Node, outcome: StepOutcome) -> bool {
    let bad = outcome.phase == Phase::Failed || outcome.phase == Phase::Cancelled;
    let left_out = outcome.reason == StepReason::Condition;
    match on {
        On::Any => true,
        On::Failure => bad,
        On::Success => {
            outcome.phase == Phase::Succeeded || left_out || (bad && parent.allow_failure)
        }
    }
}

/// Whether a step may start: `None` as long as that is open. `ended` says how others ended.
pub(crate) fn starts(
    nodes: &[Node],
    step: usize,
    mut ended: impl FnMut(usize) -> Option<StepOutcome>,
) -> Option<bool> {
    let node = &nodes[step];
    let edges = node.after.iter().map(|edge| {
        let parent = edge.step as usize;
        ended(parent).map(|outcome| is_met(edge.on, &nodes[parent], outcome))
    });
    let edges: Vec<Option<bool>> = edges.collect();
    let (met, unmet) = (edges.contains(&Some(true)), edges.contains(&Some(false)));
    let open = edges.contains(&None);
    match node.join {
        _ if edges.is_empty() => Some(true),
        Join::All if unmet => Some(false),
        Join::All => (!open).then_some(true),
        Join::Any if met => Some(true),
        Join::Any => (!open).then_some(false),
    }
}

/// A run whose steps have their fates.
pub(crate) struct Forecast<'a> {
    pub(crate) fates: Fates,
    pub(crate) run: RunId,
    pub(crate) nodes: &'a [Node],
    pub(crate) rounds: &'a [u32],
    pub(crate) certain: &'a [Certain],
}

impl Forecast<'_> {
    /// How a step must end; for one that is skipped because of others, which of them is not said.
    pub(crate) fn outcome(&self, step: usize) -> StepOutcome {
        match self.certain[step] {
            Certain::Ended(outcome) => return outcome,
            Certain::Begun => return self.fate(step),
            Certain::Nothing => {}
        }
        match starts(self.nodes, step, |parent| Some(self.outcome(parent))) {
            Some(true) => self.fate(step),
            _ => StepOutcome {
                phase: Phase::Skipped,
                reason: StepReason::Upstream(0),
            },
        }
    }

    fn fate(&self, step: usize) -> StepOutcome {
        let (node, number, round) = (&self.nodes[step], step as u32, self.rounds[step]);
        let outcome = |phase, reason| StepOutcome { phase, reason };
        match self.fates.of_step(node, self.run, number, round) {
            Fate::LeftOut => outcome(Phase::Skipped, StepReason::Condition),
            Fate::Breaks => outcome(Phase::Failed, StepReason::Template),
            Fate::Fails => outcome(Phase::Failed, StepReason::Task(Reason::Error)),
            Fate::IsCancelled => outcome(Phase::Cancelled, StepReason::Task(Reason::Requested)),
            Fate::Succeeds if node.kind == NodeKind::FanOut => self.fan(number, round),
            Fate::Succeeds => StepOutcome::SUCCEEDED,
        }
    }

    fn fan(&self, step: u32, round: u32) -> StepOutcome {
        let items = self.fates.of_items(self.run, step, round);
        let of = |element| self.fates.of_element(self.run, step, round, element);
        let bad = (0..items.count).filter(|element| of(*element) != Fate::Succeeds);
        let (phase, reason) = match (items.breaks_at, bad.count() as u32) {
            (Some(_), _) => (Phase::Failed, StepReason::Template),
            (None, 0) => return StepOutcome::SUCCEEDED,
            (None, bad) => (Phase::Failed, StepReason::Elements(bad)),
        };
        StepOutcome { phase, reason }
    }
}

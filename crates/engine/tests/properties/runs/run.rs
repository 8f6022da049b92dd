//! One run, as its events tell.

use std::collections::BTreeSet;

use capataz_engine::{Node, NodeKind, On, RunId, StepOutcome, StepReason, TaskId, WorkflowId};

use super::fate::Fates;
use super::rules::{Certain, Forecast, is_met, starts};

pub(crate) struct Run {
    pub(crate) workflow: WorkflowId,
    /// It follows a version of it: not when it was opened again.
    pub(super) follows: bool,
    pub(crate) nodes: Vec<Node>,
    pub(crate) steps: Vec<Step>,
    pub(super) priority: u8,
    pub(super) conflict: Option<String>,
    pub(crate) began: bool,
    pub(crate) paused: bool,
    pub(crate) cancelled: bool,
    pub(crate) ended: bool,
}

#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) round: u32,
    pub(super) begun: bool,
    pub(super) decided: Option<StepOutcome>,
    pub(super) certain: Certain,
    pub(super) tasks: BTreeSet<TaskId>,
    /// How its task ended.
    pub(super) task: Option<StepOutcome>,
    /// Of a fan-out: items, and how many became tasks.
    pub(super) fan: Option<(u32, u32)>,
}

impl Step {
    pub(super) fn new(round: u32) -> Step {
        Step {
            round,
            begun: false,
            decided: None,
            certain: Certain::Nothing,
            tasks: BTreeSet::new(),
            task: None,
            fan: None,
        }
    }
}

impl Run {
    pub(super) fn may_start(&self, step: usize) -> Option<bool> {
        starts(&self.nodes, step, |parent| self.steps[parent].decided)
    }

    pub(super) fn is_met(&self, parent: u32, on: On) -> bool {
        let outcome = self.steps[parent as usize].decided;
        outcome.is_some_and(|outcome| is_met(on, &self.nodes[parent as usize], outcome))
    }

    pub(super) fn compare_with_forecast(&self, id: RunId, fates: Fates, decided: &[StepOutcome]) {
        let rounds: Vec<u32> = self.steps.iter().map(|step| step.round).collect();
        let certain: Vec<Certain> = self.steps.iter().map(|step| step.certain).collect();
        let forecast = Forecast {
            fates,
            run: id,
            nodes: &self.nodes,
            rounds: &rounds,
            certain: &certain,
        };
        for (step, outcome) in decided.iter().enumerate() {
            let expected = forecast.outcome(step);
            let upstream = |outcome: StepOutcome| matches!(outcome.reason, StepReason::Upstream(_));
            let same = *outcome == expected || (upstream(*outcome) && upstream(expected));
            assert!(same, "step {step} of {id}: {outcome:?}, not {expected:?}");
        }
    }

    pub(super) fn has_work(&self, room: bool) -> bool {
        if self.cancelled || !self.began {
            return self.cancelled;
        }
        let open = (0..self.steps.len()).filter(|step| self.steps[*step].decided.is_none());
        let open: Vec<usize> = open.collect();
        let is_over = open.is_empty() && self.steps.iter().all(|step| step.tasks.is_empty());
        let starts = room && !self.paused;
        is_over
            || open.into_iter().any(|number| {
                let (step, node) = (&self.steps[number], &self.nodes[number]);
                let most = node.parallelism.unwrap_or(u32::MAX) as usize;
                match (step.begun, step.fan) {
                    (false, _) => match self.may_start(number) {
                        Some(may) => !may || starts,
                        None => false,
                    },
                    (true, Some((count, next))) if next < count => {
                        starts && step.tasks.len() < most
                    }
                    (true, _) => step.tasks.is_empty(),
                }
            })
    }
}

/// Whether what an owner is asked about needs a template or a condition.
pub(crate) fn is_asked(node: &Node) -> bool {
    node.conditional || node.kind != NodeKind::Noop
}

//! The tables of the ledger about workflows and runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use capataz_engine::{Key, NewRun, Phase, StepOutcome, StepReason};
use serde_json::Value;

use crate::flow::{Deeds, Flow, FlowStep, On, When};

/// A workflow.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkflowFacts {
    pub(crate) name: String,
    pub(crate) versions: BTreeMap<u32, Arc<Flow>>,
    pub(crate) registered: Option<u32>,
    /// With which event that was.
    pub(crate) registered_with: u64,
    /// Runs that failed in a row.
    pub(crate) failures: u32,
    /// No run begins before.
    pub(crate) held_until: Option<u64>,
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct RunFacts {
    pub(crate) workflow: u32,
    /// What it follows: the version that it started with, and steps that were added since.
    pub(crate) flow: Arc<Flow>,
    pub(crate) first_flow: Arc<Flow>,
    /// As its client asked for it.
    pub(crate) asked: NewRun,
    pub(crate) parameters: Value,
    /// Its message as it is now.
    pub(crate) message: Value,
    /// The session that was given the first of its steps.
    pub(crate) home: Option<u32>,
    pub(crate) began: bool,
    pub(crate) paused: bool,
    pub(crate) cancelled: bool,
    pub(crate) ended: bool,
    /// How often it was cancelled, and how often it ended.
    pub(crate) cancels: u32,
    pub(crate) ends: u32,
    /// With which event it ended last.
    pub(crate) ended_with: u64,
    /// How often it was opened again after its end, and how often steps of it were to run again.
    pub(crate) reopened: u32,
    pub(crate) again: u32,
    pub(crate) steps: Vec<StepFacts>,
    /// Tasks that wait for the end of its pause.
    pub(crate) held: BTreeSet<Key>,
}

/// A step in its present round.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepFacts {
    pub(crate) decided: Option<StepOutcome>,
    /// Of a fan-out: its items.
    pub(crate) items: Option<Vec<Value>>,
    /// Tasks that were started: one, or one for each element.
    pub(crate) started: u32,
    pub(crate) live: BTreeSet<u64>,
    /// How its task ended.
    pub(crate) ended: Option<Phase>,
    /// Tasks that ended badly.
    pub(crate) bad: u32,
    /// What it returned, and elements of it; the step alone is element 0.
    pub(crate) returned: BTreeMap<u32, Value>,
}

impl RunFacts {
    pub(crate) fn new(
        workflow: u32,
        flow: Arc<Flow>,
        asked: NewRun,
        parameters: Value,
    ) -> RunFacts {
        let steps = vec![StepFacts::default(); flow.steps.len()];
        let message = serde_json::from_slice(&asked.message).unwrap_or(Value::Null);
        RunFacts {
            workflow,
            first_flow: Arc::clone(&flow),
            flow,
            asked,
            parameters,
            message,
            home: None,
            began: false,
            paused: false,
            cancelled: false,
            ended: false,
            cancels: 0,
            ends: 0,
            ended_with: 0,
            reopened: 0,
            again: 0,
            steps,
            held: BTreeSet::new(),
        }
    }

    /// Edges of a step whose other end is decided and is as asked, is decided and is not, is open.
    fn edges(&self, step: &FlowStep) -> (usize, usize, usize) {
        let mut counts = (0, 0, 0);
        for (other, on) in &step.after {
            let allowed = self.flow.steps[*other].allow_failure;
            match self.steps[*other].decided {
                None => counts.2 += 1,
                Some(outcome) if is_as_asked(*on, outcome, allowed) => counts.0 += 1,
                Some(_) => counts.1 += 1,
            }
        }
        counts
    }

    /// Whether what a step waits for is on record.
    pub(crate) fn may_start(&self, step: usize) -> bool {
        let step = &self.flow.steps[step];
        let (met, unmet, open) = self.edges(step);
        match step.any {
            true => met > 0 || step.after.is_empty(),
            false => unmet == 0 && open == 0,
        }
    }

    /// Whether what a step waits for cannot come any more.
    pub(crate) fn cannot_start(&self, step: usize) -> bool {
        let step = &self.flow.steps[step];
        let (met, unmet, open) = self.edges(step);
        match step.any {
            true => met == 0 && open == 0 && unmet > 0,
            false => unmet > 0,
        }
    }

    /// Whether a step runs at all, once it may start.
    pub(crate) fn wants_to_run(&self, step: usize) -> bool {
        self.flow.steps[step]
            .when
            .is_none_or(|when| self.holds(when))
    }

    /// Whether a condition holds now.
    pub(crate) fn holds(&self, when: When) -> bool {
        match when {
            When::AtLeast(least) => self.parameters["n"].as_u64().unwrap_or(0) >= least,
            When::Returned(other, least) => self
                .output(other)
                .and_then(|list| list.as_array().map(Vec::len))
                .is_some_and(|length| length >= least),
        }
    }

    /// What a step returned: of a fan-out that ran to its end what its elements did, in their order,
    /// with a gap for each that returned nothing.
    pub(crate) fn output(&self, step: usize) -> Option<Value> {
        let facts = &self.steps[step];
        let of = |element: u32| facts.returned.get(&element).cloned();
        let Deeds::Each(..) = self.flow.steps[step].deeds else {
            return of(0);
        };
        let count = facts.items.as_ref()?.len() as u32;
        let outcome = facts.decided?;
        let ran =
            outcome.phase == Phase::Succeeded || matches!(outcome.reason, StepReason::Elements(_));
        ran.then(|| {
            (0..count)
                .map(|element| of(element).unwrap_or(Value::Null))
                .collect()
        })
    }

    /// What a fan-out is over.
    pub(crate) fn items(&self, source: Option<usize>) -> Vec<Value> {
        let of_step = source.and_then(|step| self.output(step));
        let list = of_step.as_ref().unwrap_or(&self.parameters["list"]);
        list.as_array().cloned().unwrap_or_default()
    }

    /// Whether steps of it may start.
    pub(crate) fn goes_on(&self) -> bool {
        self.began && !self.paused && !self.cancelled && !self.ended
    }
}

/// Whether an edge is satisfied, as `docs/reference/run-semantics.md` says.
pub(super) fn is_as_asked(on: On, outcome: StepOutcome, allowed: bool) -> bool {
    let bad = matches!(outcome.phase, Phase::Failed | Phase::Cancelled);
    match on {
        On::Any => true,
        On::Failure => bad,
        On::Success => match outcome.phase {
            Phase::Succeeded => true,
            Phase::Skipped => outcome.reason == StepReason::Condition,
            _ => bad && allowed,
        },
    }
}

//! Runs that name their successor: one for each end, as it is written, and not for ever. Steps that
//! are added to a run, and those that run once more.

use std::collections::BTreeSet;
use std::sync::Arc;

use capataz_engine::{NewRun, RunPhase, StepOutcome, StepReason, Version};
use serde_json::{Value, json};

use super::run_facts::{RunFacts, is_as_asked};
use super::{Check, Ledger, REQUEST_KEPT};
use crate::covered::Covered;
use crate::flow::{Flow, On};

/// Labels go on with a successor, a key does not: here nothing is left.
const NO_LABELS: &[u8] = b"{}";

impl Ledger {
    /// A run is started by another one, which ends with the next event.
    pub(super) fn check_successor(
        &mut self,
        flow: &Arc<Flow>,
        new: &NewRun,
        parameters: &Value,
    ) -> Check {
        let previous = new.previous.map_or(0, |run| run.0);
        let run = self.live_run(previous)?;
        if !run.repeats() {
            return Err(format!("run r{previous} is not to be repeated"));
        }
        let mut expected = run.parameters.clone();
        expected["n"] = json!(run.parameters["n"].as_u64().unwrap_or(0) + 1);
        let asked = &run.asked;
        let same = new.repetition == asked.repetition + 1
            && *parameters == expected
            && new.priority == asked.priority
            && new.conflict == asked.conflict
            && &new.body[..] == NO_LABELS
            && new.key.is_none();
        // Steps that were added belong to it once it is a run of its own.
        let follows = Arc::ptr_eq(flow, &run.first_flow) || Arc::ptr_eq(flow, &run.flow);
        if !same || !follows {
            return Err(format!(
                "it does not repeat {asked:?} with {expected}, or follows something else"
            ));
        }
        self.repeating = Some(previous);
        self.cover(Covered::Successors);
        Ok(())
    }

    /// A run that ends has a successor if it is to have one.
    pub(super) fn check_repeated(&mut self, id: u64, phase: RunPhase) -> Check {
        let repeated = self.repeating.take().is_some();
        let run = self.live_run(id)?;
        let succeeded = phase == RunPhase::Succeeded;
        if repeated != (succeeded && run.repeats()) {
            return Err(format!("it has a successor: {repeated}; {run:?}"));
        }
        let repeat = run.flow.repeat;
        if repeat.is_some() && succeeded && !repeated && run.asked.repetition > 0 {
            self.cover(Covered::LastOfARepetition);
        }
        Ok(())
    }

    /// A run has more steps at its end, each of which somebody asked for, once as long as the call
    /// is remembered: a clock that jumps ahead by more than that makes a repeated call a new one.
    pub(super) fn steps_added(&mut self, at: u64, id: u64, version: &Version) -> Check {
        let flow = self.flows.get(&version.definition).cloned();
        let flow = flow.ok_or("steps that nobody asked for")?;
        let run = self.live_run(id)?;
        let known = run.flow.steps.len();
        if run.cancelled || flow.steps.get(..known) != Some(&run.flow.steps[..]) {
            return Err("steps are added to a cancelled run, or others are altered".to_owned());
        }
        run.flow = Arc::clone(&flow);
        run.steps.resize_with(flow.steps.len(), Default::default);
        for step in &flow.steps[known..] {
            let number = step.added.filter(|number| self.sent.contains(number));
            let number = number.ok_or("a step was invented")?;
            let before = self.added.insert(number, (id, at));
            if before.is_some_and(|(_, before)| before + REQUEST_KEPT > at) {
                return Err(format!("step number {number} is added twice"));
            }
            self.cover(Covered::AddedSteps);
        }
        Ok(())
    }

    /// Whether steps were added to a run under these numbers.
    pub(crate) fn has_added(&self, run: u64, numbers: &[u64]) -> bool {
        let known = |number: &u64| self.added.get(number).is_some_and(|(of, _)| *of == run);
        numbers.iter().all(known)
    }
}

impl RunFacts {
    /// Whether another run follows when it succeeds as it stands.
    fn repeats(&self) -> bool {
        self.flow.repeat.is_some_and(|repeat| {
            !self.holds(repeat.until) && self.asked.repetition + 1 < repeat.max
        })
    }

    /// Whether these steps may be asked for: what a retry opens, or a chosen step, alone or with all
    /// that come after it.
    pub(super) fn may_run_again(&self, steps: &[u32]) -> bool {
        let steps: Vec<usize> = steps.iter().map(|step| *step as usize).collect();
        let chosen = |first: usize| steps == [first] || steps == self.flow.descendants(&[first]);
        steps == self.retried() || (0..self.steps.len()).any(chosen)
    }

    /// What a retry opens: what ended badly, what that kept from running, and what answered it.
    fn retried(&self) -> Vec<usize> {
        let held_up = |step: &usize| {
            self.outcome(*step).is_some_and(|outcome| {
                let reason = outcome.reason;
                matches!(reason, StepReason::Upstream(_) | StepReason::RunCancelled)
            })
        };
        let failed: Vec<usize> = (0..self.steps.len()).filter(|s| self.is_bad(*s)).collect();
        let behind = self.flow.descendants(&failed).into_iter();
        let mut again: BTreeSet<usize> = behind.filter(held_up).collect();
        again.extend(failed);
        // An answer may have been answered itself.
        loop {
            let decided = (0..self.steps.len()).filter(|step| self.outcome(*step).is_some());
            let answers: Vec<usize> = decided
                .filter(|step| !again.contains(step) && self.answers(*step, &again))
                .collect();
            if answers.is_empty() {
                return again.into_iter().collect();
            }
            again.extend(answers);
        }
    }

    /// Whether a step went on because of how those ended that run again. With join `any` it did not
    /// when another one had let it go on as well.
    fn answers(&self, step: usize, again: &BTreeSet<usize>) -> bool {
        let step = &self.flow.steps[step];
        let asks_anew = |(before, on): &(usize, On)| {
            again.contains(before) && (*on != On::Success || !self.is_bad(*before))
        };
        let stands = |edge: &(usize, On)| {
            let (before, on) = *edge;
            let allowed = self.flow.steps[before].allow_failure;
            let outcome = self.outcome(before);
            !asks_anew(edge) && outcome.is_some_and(|ended| is_as_asked(on, ended, allowed))
        };
        step.after.iter().any(asks_anew) && !(step.any && step.after.iter().any(stands))
    }

    fn outcome(&self, step: usize) -> Option<StepOutcome> {
        self.steps.get(step).and_then(|step| step.decided)
    }

    fn is_bad(&self, step: usize) -> bool {
        self.outcome(step).is_some_and(StepOutcome::is_bad)
    }
}

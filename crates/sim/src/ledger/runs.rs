//! Workflows and runs come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use capataz_engine::{Change, Event, Ids, Key, NewRun, Phase, Request, RunPhase, Version};
use serde_json::json;

use super::run_facts::{RunFacts, StepFacts, WorkflowFacts};
use super::{Check, DEDUP_KEPT, Ledger, Violation};
use crate::covered::Covered;
use crate::flow::Flow;

/// Stands for the group of a dedup key that is a run's.
const OF_RUNS: u32 = u32::MAX;

impl Ledger {
    /// Clients know this workflow: from now on it may be on record.
    pub(crate) fn know(&mut self, definition: Bytes, flow: Arc<Flow>) {
        // The same again is the same.
        self.flows.entry(definition).or_insert(flow);
    }

    pub(super) fn fold_run(&mut self, event: &Event) -> Check {
        let at = event.at.0;
        match &event.change {
            Change::WorkflowCreated { workflow, name } => {
                let facts = WorkflowFacts {
                    name: name.clone(),
                    ..WorkflowFacts::default()
                };
                self.workflows.insert(workflow.0, facts);
            }
            Change::VersionStored {
                workflow,
                number,
                version,
            } => self.version_stored(workflow.0, *number, version)?,
            Change::VersionRegistered { workflow, number } => {
                let moment = self.moment;
                let facts = self.workflow(workflow.0)?;
                if facts.registered.replace(*number).is_none() {
                    facts.registered_with = moment;
                }
            }
            Change::WorkflowRemoved { workflow } => {
                self.workflow(workflow.0)?.registered = None;
            }
            Change::RunStarted {
                run,
                workflow,
                version,
                request,
                new,
            } => self.run_started(at, run.0, (workflow.0, *version), request.as_ref(), new)?,
            Change::HoldCleared { workflow } => self.workflow(workflow.0)?.clear_hold(),
            Change::HoldOver { workflow } => {
                let workflow = self.workflow(workflow.0)?;
                workflow.check_hold(at)?;
                workflow.held_until = None;
            }
            Change::RunBegan { run } => self.run_began(at, run.0)?,
            Change::RunPaused { run, on } => self.run_paused(run.0, *on)?,
            Change::RunCancelled { run, .. } => {
                let run = self.live_run(run.0)?;
                if run.cancelled {
                    return Err("a run is cancelled twice".to_owned());
                }
                run.cancelled = true;
                run.cancels += 1;
            }
            Change::StepsAdded { run, version } => self.steps_added(at, run.0, version)?,
            Change::RunReopened {
                run,
                workflow,
                archive,
                steps,
            } => self.reopened(at, run.0, workflow.0, archive.is_some(), steps)?,
            Change::RunEnded {
                run, phase, result, ..
            } => self.run_ended(at, run.0, *phase, result)?,
            _ => self.fold_step(event)?,
        }
        Ok(())
    }

    fn workflow(&mut self, workflow: u32) -> Result<&mut WorkflowFacts, Violation> {
        let facts = self.workflows.get_mut(&workflow);
        facts.ok_or_else(|| format!("workflow {workflow} was never made"))
    }

    fn version_stored(&mut self, workflow: u32, number: u32, version: &Version) -> Check {
        let flow = self.flows.get(&version.definition).cloned();
        let flow = flow.ok_or("a workflow that no client knows")?;
        self.workflow(workflow)?.versions.insert(number, flow);
        Ok(())
    }

    fn run_started(
        &mut self,
        at: u64,
        id: u64,
        (workflow, version): (u32, u32),
        request: Option<&(Request, Ids)>,
        new: &NewRun,
    ) -> Check {
        if id != self.next_task.max(1) {
            return Err(format!("ids go from {} to {id}", self.next_task));
        }
        self.next_task = id + 1;
        if let Some((request, _)) = request {
            self.answered(at, request.id)?;
        }
        let parameters: serde_json::Value =
            serde_json::from_slice(&new.parameters).map_err(|error| error.to_string())?;
        let number = parameters["number"].as_u64().unwrap_or(0);
        if !self.sent.contains(&number) {
            return Err(format!("run r{id} was invented"));
        }
        let flow = self.workflow(workflow)?.versions.get(&version).cloned();
        let flow = flow.ok_or("it follows a version that is not on record")?;
        let message = flow
            .message
            .then(|| json!(format!("begin {}", parameters["n"])));
        if new.message != message.map_or_else(String::new, |message| message.to_string()) {
            return Err(format!("it does not begin with its message: {new:?}"));
        }
        match (new.previous, new.key) {
            (Some(_), _) => self.check_successor(&flow, new, &parameters)?,
            (None, Some(key)) => self.keyed(at, id, (OF_RUNS, key.id), key.content)?,
            (None, None) => self.accepted_once(at, number)?,
        }
        self.cover(Covered::Runs);
        let facts = RunFacts::new(workflow, flow, new.clone(), parameters);
        self.runs.insert(id, facts);
        Ok(())
    }

    /// A run that is not over.
    pub(super) fn live_run(&mut self, run: u64) -> Result<&mut RunFacts, Violation> {
        let facts = self.runs.get_mut(&run).filter(|run| !run.ended);
        facts.ok_or_else(|| format!("run r{run} is over, or never was"))
    }

    /// The bounds of a workflow hold while a version is registered or runs follow one.
    pub(super) fn bounds(&self, workflow: u32) -> Option<Arc<Flow>> {
        let facts = self.workflows.get(&workflow);
        let registered = facts.is_some_and(|facts| facts.registered.is_some());
        let mut of_it = self.runs.values().filter(|run| run.workflow == workflow);
        let followed = of_it.any(|run| !run.ended && run.reopened == 0);
        let flow = facts.and_then(|facts| facts.versions.values().next_back());
        flow.filter(|_| registered || followed).cloned()
    }

    fn run_began(&mut self, at: u64, id: u64) -> Check {
        let run = self.live_run(id)?;
        if run.began || run.cancelled {
            return Err(format!("it begins twice, or after its end: {run:?}"));
        }
        let workflow = run.workflow;
        self.workflow(workflow)?.check_hold(at)?;
        let live = self.runs.iter().filter(|(_, run)| !run.ended);
        let of_it: Vec<(&u64, &RunFacts)> =
            live.filter(|(_, run)| run.workflow == workflow).collect();
        let under_way = of_it.iter().filter(|(_, run)| run.began).count();
        let most = self.bounds(workflow).and_then(|flow| flow.max_runs);
        if most.is_some_and(|most| under_way >= most as usize) {
            return Err(format!("{under_way} runs are under way, of {most:?}"));
        }
        let has_key = |id: u64, run: &RunFacts| {
            run.asked.conflict.is_none()
                || of_it.iter().all(|(other, facts)| {
                    **other >= id || facts.asked.conflict != run.asked.conflict
                })
        };
        let waiting = of_it.iter().filter(|(_, run)| !run.began && !run.cancelled);
        let next = waiting
            .filter(|(id, run)| has_key(**id, run))
            .min_by_key(|(id, run)| (9 - run.asked.priority.min(9), **id));
        if next.map(|(next, _)| **next) != Some(id) {
            let next = next.map(|(next, _)| *next);
            return Err(format!("it was not its turn but that of {next:?}"));
        }
        self.check_conflict(id)?;
        self.live_run(id)?.began = true;
        Ok(())
    }

    /// Of the runs with one conflict key at most one is under way.
    fn check_conflict(&self, id: u64) -> Check {
        let Some(run) = self
            .runs
            .get(&id)
            .filter(|run| run.asked.conflict.is_some())
        else {
            return Ok(());
        };
        let rival = self.runs.iter().find(|(other, facts)| {
            **other != id
                && facts.began
                && !facts.ended
                && facts.workflow == run.workflow
                && facts.asked.conflict == run.asked.conflict
        });
        match rival {
            Some((other, _)) => Err(format!("run r{other} has its conflict key")),
            None => Ok(()),
        }
    }

    fn run_paused(&mut self, id: u64, on: bool) -> Check {
        let run = self.live_run(id)?;
        run.paused = on;
        if !on {
            let held = std::mem::take(&mut run.held);
            held.into_iter().for_each(|key| self.waits(key));
            return Ok(());
        }
        let live: BTreeSet<u64> = run
            .steps
            .iter()
            .flat_map(|step| &step.live)
            .copied()
            .collect();
        for group in self.groups.values_mut() {
            let is_of_it = |place: &super::facts::Place| live.contains(&place.2.task().0);
            let held: Vec<super::facts::Place> =
                group.waiting.iter().copied().filter(is_of_it).collect();
            for place in held {
                group.waiting.remove(&place);
                if let Some(run) = self.runs.get_mut(&id) {
                    run.held.insert(place.2);
                }
            }
        }
        Ok(())
    }

    fn reopened(
        &mut self,
        at: u64,
        id: u64,
        workflow: u32,
        archived: bool,
        steps: &[u32],
    ) -> Check {
        let leased: BTreeSet<u64> = self
            .units
            .iter()
            .filter(|(_, unit)| unit.lease.is_some())
            .map(|(key, _)| key.task().0)
            .collect();
        let busy = |step: &u32| {
            let of_step = |task: &u64| {
                let facts = self.tasks.get(task).and_then(|task| task.step);
                facts.is_some_and(|(run, known, _)| run == id && known == *step as usize)
            };
            leased.iter().any(of_step)
        };
        if let Some(step) = steps.iter().find(|step| busy(step)) {
            return Err(format!("step {step} runs again beside itself"));
        }
        self.cover(match archived {
            true => Covered::RunAgain,
            false => Covered::RetriedInPlace,
        });
        let run = self.runs.get_mut(&id).ok_or("no such run")?;
        if !run.may_run_again(steps) {
            return Err(format!("nobody can have asked for these steps: {run:?}"));
        }
        run.again += 1;
        if run.ended != archived || (!run.ended && run.cancelled) || steps.is_empty() {
            return Err(format!("it is no run to open again: {run:?}"));
        }
        if run.ended {
            (run.ended, run.cancelled, run.paused, run.began) = (false, false, false, true);
            run.reopened += 1;
            run.workflow = workflow;
        }
        for step in steps {
            let facts = run.steps.get_mut(*step as usize).ok_or("no such step")?;
            if facts.decided.is_none() {
                return Err(format!("step {step} runs again before it is over"));
            }
            *facts = StepFacts::default();
        }
        if let Some(key) = run.asked.key
            && let Some(entry) = self.dedup.get_mut(&(OF_RUNS, key.id))
            && entry.task == id
            && entry.ended_at.is_some_and(|ended| ended + DEDUP_KEPT > at)
        {
            entry.ended_at = None;
        }
        self.check_conflict(id)
    }

    fn run_ended(&mut self, at: u64, id: u64, phase: RunPhase, result: &[u8]) -> Check {
        self.ends += 1;
        self.check_repeated(id, phase)?;
        let run = self.live_run(id)?;
        let decided = run.steps.iter().map(|step| step.decided);
        let Some(outcomes) = decided.collect::<Option<Vec<_>>>() else {
            return Err("a run ends before its steps".to_owned());
        };
        let steps = run.flow.steps.iter().zip(&outcomes);
        let failed = steps
            .filter(|(step, _)| !step.allow_failure)
            .any(|(_, outcome)| matches!(outcome.phase, Phase::Failed | Phase::Cancelled));
        let fits = match phase {
            RunPhase::Cancelled => run.cancelled,
            RunPhase::Failed => !run.cancelled && failed,
            RunPhase::Succeeded => !run.cancelled && !failed,
            RunPhase::Queued | RunPhase::Running => false,
        };
        let lives = run.steps.iter().any(|step| !step.live.is_empty());
        if !fits || lives || (!run.began && !run.cancelled) {
            return Err(format!("it does not end so: {run:?}"));
        }
        let expected = run.result(phase);
        if serde_json::from_slice(result).ok() != expected {
            return Err(format!("it returns {expected:?}"));
        }
        let (workflow, key) = (run.workflow, run.asked.key);
        if expected.is_some() {
            self.cover(Covered::Results);
        }
        self.note_failure(at, workflow, phase)?;
        let moment = self.moment;
        let run = self.live_run(id)?;
        (run.ended, run.began) = (true, false);
        (run.ends, run.ended_with) = (run.ends + 1, moment);
        if let Some(key) = key
            && let Some(entry) = self.dedup.get_mut(&(OF_RUNS, key.id))
            && entry.task == id
            && entry.ended_at.is_none()
        {
            entry.ended_at = Some(at);
        }
        Ok(())
    }

    /// Failed runs in a row hold back the next ones.
    fn note_failure(&mut self, at: u64, workflow: u32, phase: RunPhase) -> Check {
        let bounds = self.bounds(workflow);
        let facts = self.workflow(workflow)?;
        match phase {
            RunPhase::Succeeded => facts.clear_hold(),
            RunPhase::Failed => {
                facts.failures += 1;
                let pause = bounds.and_then(|flow| flow.pause_after(facts.failures));
                facts.held_until = facts.held_until.max(pause.map(|pause| at + pause));
            }
            _ => {}
        }
        Ok(())
    }

    /// Runs that are not over.
    pub(crate) fn live_runs(&self) -> impl Iterator<Item = u64> + '_ {
        let live = self.runs.iter().filter(|(_, run)| !run.ended);
        live.map(|(id, _)| *id)
    }

    /// Runs that are held back by an operator.
    pub(crate) fn paused_runs(&self) -> Vec<u64> {
        let paused = |id: &u64| self.runs.get(id).is_some_and(|run| run.paused);
        self.live_runs().filter(paused).collect()
    }

    /// An accepted run.
    pub(crate) fn run(&self, id: u64) -> Option<&RunFacts> {
        self.runs.get(&id)
    }

    /// How many steps a run has.
    pub(crate) fn steps_of(&self, run: u64) -> usize {
        self.runs.get(&run).map_or(0, |run| run.steps.len())
    }

    /// What a version of a workflow is.
    pub(crate) fn flow_of(&self, definition: &Bytes) -> Option<Arc<Flow>> {
        self.flows.get(definition).cloned()
    }

    /// The run that a task is a step of.
    pub(crate) fn run_of(&self, key: Key) -> Option<u64> {
        let task = self.tasks.get(&key.task().0)?;
        task.step.map(|(run, ..)| run)
    }

    /// A task of a run that is not over.
    pub(crate) fn live_task_of(&self, run: u64) -> Option<u64> {
        let steps = &self.runs.get(&run)?.steps;
        steps.iter().flat_map(|step| &step.live).next().copied()
    }
}

impl WorkflowFacts {
    fn clear_hold(&mut self) {
        (self.failures, self.held_until) = (0, None);
    }

    fn check_hold(&self, at: u64) -> Check {
        match self.held_until.filter(|until| at < *until) {
            Some(until) => Err(format!("new runs are held back until {until}")),
            None => Ok(()),
        }
    }
}

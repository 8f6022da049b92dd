//! Workflows and runs as entries of the store, and the way back.

use std::sync::Arc;

use bytes::Bytes;

use super::entries::{decode, encode};
use super::run::{RunEntry, STEPS_PER_ENTRY, StepEntry};
use super::{EntryKey, Plan, RestoreError, Run, State, Workflow, WorkflowEntry};
use crate::planted::{Bug, planted};
use crate::run::RunId;
use crate::workflow::Version;

impl State {
    /// The entry of a workflow, of a run, or of a part of one.
    pub(super) fn run_entry(&self, key: EntryKey) -> Option<Vec<u8>> {
        match key {
            EntryKey::Workflow(id) => encode(&self.workflow(id)?.entry()),
            EntryKey::Version(id, number) => {
                let known = self.workflow(id)?.versions.get(&number)?;
                encode(&known.plan.version)
            }
            EntryKey::Run(id) => encode(&self.run(id)?.entry()),
            EntryKey::RunSteps(id, chunk) => encode(&self.run(id)?.step_entries(chunk)?),
            EntryKey::FanItems(id, step) => {
                let fan = self.run(id)?.step(step)?.open_fan()?;
                Some(fan.items.to_vec())
            }
            EntryKey::StepOutput(id, step, element) => {
                let value = self.run(id)?.step(step)?.outputs.get(&element)?;
                Some(value.to_vec())
            }
            EntryKey::Archive(id) => self.run_archive(id).map(<[u8]>::to_vec),
            _ => None,
        }
    }

    pub(super) fn run_entry_keys(&self) -> impl Iterator<Item = EntryKey> + '_ {
        let workflows = &self.runs.workflows;
        let runs = &self.runs.runs;
        let versions = workflows.iter().flat_map(|(id, workflow)| {
            let numbers = workflow.versions.keys();
            numbers.map(|number| EntryKey::Version(*id, *number))
        });
        let steps = runs
            .iter()
            .flat_map(|(id, run)| (0..run.chunks()).map(|chunk| EntryKey::RunSteps(*id, chunk)));
        let items = runs.iter().flat_map(|(id, run)| {
            let steps = (0_u32..).zip(&run.steps);
            let fans = steps.filter(|(_, step)| step.open_fan().is_some());
            fans.map(|(number, _)| EntryKey::FanItems(*id, number))
        });
        let outputs = runs.iter().flat_map(move |(id, run)| {
            (0_u32..).zip(&run.steps).flat_map(move |(number, step)| {
                let elements = step.outputs.keys();
                elements.map(move |element| EntryKey::StepOutput(*id, number, *element))
            })
        });
        workflows
            .keys()
            .map(|id| EntryKey::Workflow(*id))
            .chain(versions)
            .chain(runs.keys().map(|id| EntryKey::Run(*id)))
            .chain(steps)
            .chain(items)
            .chain(outputs)
    }

    pub(super) fn restore_run_entry(
        &mut self,
        key: EntryKey,
        value: &[u8],
    ) -> Result<(), RestoreError> {
        match key {
            EntryKey::Workflow(id) => {
                let entry: WorkflowEntry = decode(key, value)?;
                let mut workflow = Workflow::new(entry.name.clone());
                workflow.registered = entry.registered;
                workflow.next_version = entry.next_version;
                workflow.failures = entry.failures;
                workflow.held_until = entry.held_until;
                if let Some(until) = entry.held_until {
                    self.timers.set(until, super::Timer::HoldOver(id));
                }
                self.runs.names.insert(entry.name, id);
                self.runs.workflows.insert(id, workflow);
            }
            EntryKey::Version(id, number) => {
                let version: Version = decode(key, value)?;
                let workflow = self.runs.workflows.get_mut(&id);
                let workflow = workflow.ok_or_else(|| dangling(key, format!("{id:?}")))?;
                workflow.store(number, version);
            }
            EntryKey::Run(id) => self.restore_run(key, id, decode(key, value)?)?,
            EntryKey::RunSteps(id, chunk) => {
                let entries: Vec<StepEntry> = decode(key, value)?;
                let run = self.run_being_restored(key, id)?;
                let from = (chunk as usize).saturating_mul(STEPS_PER_ENTRY as usize);
                for (step, entry) in run.steps.iter_mut().skip(from).zip(entries) {
                    entry.restore(step);
                }
            }
            EntryKey::FanItems(id, step) => {
                let run = self.run_being_restored(key, id)?;
                let fan = run
                    .steps
                    .get_mut(step as usize)
                    .and_then(|step| step.fan.as_mut());
                let fan = fan.ok_or_else(|| dangling(key, format!("step {step}")))?;
                fan.items = Bytes::copy_from_slice(value);
            }
            EntryKey::StepOutput(id, step, element) => {
                let run = self.run_being_restored(key, id)?;
                let step = run.steps.get_mut(step as usize);
                let step = step.ok_or_else(|| dangling(key, "its step".to_owned()))?;
                step.outputs.insert(element, Bytes::copy_from_slice(value));
            }
            // Kept by the store for its own answers.
            _ => {}
        }
        Ok(())
    }

    fn restore_run(
        &mut self,
        key: EntryKey,
        id: RunId,
        entry: RunEntry<'_>,
    ) -> Result<(), RestoreError> {
        let workflow = self.runs.workflows.get_mut(&entry.workflow);
        let workflow = workflow.ok_or_else(|| dangling(key, format!("{:?}", entry.workflow)))?;
        let plan = match &entry.own {
            Some(version) => Plan::new(Version::clone(version)),
            None => {
                let known = workflow.versions.get_mut(&entry.version);
                let known =
                    known.ok_or_else(|| dangling(key, format!("version {}", entry.version)))?;
                Arc::clone(&known.plan)
            }
        };
        let followed = workflow.versions.get_mut(&entry.version);
        if let Some(known) = followed.filter(|_| entry.follows) {
            known.runs += 1;
        }
        let counts = entry.began && !planted(Bug::RunsUncountedAtRestart);
        workflow.running += u32::from(counts);
        workflow.live += 1;
        self.runs.runs.insert(id, Run::restored(entry, plan));
        Ok(())
    }

    fn run_being_restored(&mut self, key: EntryKey, id: RunId) -> Result<&mut Run, RestoreError> {
        let run = self.runs.runs.get_mut(&id);
        run.ok_or_else(|| dangling(key, id.to_string()))
    }
}

fn dangling(key: EntryKey, missing: String) -> RestoreError {
    RestoreError::Dangling { key, missing }
}

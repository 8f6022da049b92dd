//! What the engine says about workflows and runs, in plain English.

use std::collections::BTreeMap;

use capataz_engine::{
    Change, Event, Key, RunId, RunPhase, RunReason, StepOutcome, StepReason, TaskId, Version,
    WorkflowId,
};

/// Names of workflows, of the steps of runs, and the tasks that these became.
#[derive(Default)]
pub(crate) struct RunNames {
    workflows: BTreeMap<WorkflowId, String>,
    versions: BTreeMap<(WorkflowId, u32), Vec<String>>,
    runs: BTreeMap<RunId, Vec<String>>,
    /// The last task of a step, or of an element such as `f.2`.
    tasks: BTreeMap<(RunId, String), Key>,
}

impl RunNames {
    pub(crate) fn task_of(&self, run: RunId, step: &str) -> Option<Key> {
        self.tasks.get(&(run, step.to_owned())).copied()
    }

    /// Learns the names that an event gives.
    pub(crate) fn note(&mut self, event: &Event) {
        match &event.change {
            Change::WorkflowCreated { workflow, name } => {
                self.workflows.insert(*workflow, name.clone());
            }
            Change::VersionStored {
                workflow,
                number,
                version,
            } => {
                self.versions.insert((*workflow, *number), names(version));
            }
            Change::RunStarted {
                run,
                workflow,
                version,
                ..
            } => {
                let names = self.versions.get(&(*workflow, *version)).cloned();
                self.runs.insert(*run, names.unwrap_or_default());
            }
            Change::StepsAdded { run, version } => {
                self.runs.insert(*run, names(version));
            }
            Change::StepStarted {
                run,
                step,
                element,
                first,
                tasks,
                ..
            } => {
                let name = self.step(*run, *step);
                for offset in 0..tasks.len() as u32 {
                    let task = TaskId(first.0 + u64::from(offset)).key();
                    let name = match element {
                        Some(from) => format!("{name}.{}", from + offset),
                        None => name.clone(),
                    };
                    self.tasks.insert((*run, name), task);
                }
            }
            _ => {}
        }
    }

    /// What an event says; `None` for one that is not about workflows and runs.
    pub(crate) fn change(&self, change: &Change) -> Option<String> {
        let said = match change {
            Change::WorkflowCreated { name, .. } => format!("workflow {name} is new"),
            Change::VersionStored {
                workflow, number, ..
            } => format!("version {number} of {} is kept", self.workflow(*workflow)),
            Change::VersionRegistered { workflow, number } => {
                let name = self.workflow(*workflow);
                format!("new runs of {name} follow version {number}")
            }
            Change::WorkflowRemoved { workflow } => {
                format!("{} is not registered any more", self.workflow(*workflow))
            }
            Change::HoldCleared { workflow } => {
                format!("{} is not held back any more", self.workflow(*workflow))
            }
            Change::HoldOver { workflow } => {
                format!("the pause of {} is over", self.workflow(*workflow))
            }
            Change::RunStarted { run, workflow, .. } => {
                format!("run {run} of {} is accepted", self.workflow(*workflow))
            }
            Change::RunBegan { run } => format!("{run} begins"),
            Change::RunPaused { run, on: true } => format!("{run} is paused"),
            Change::RunPaused { run, on: false } => format!("{run} goes on"),
            Change::RunCancelled { run, .. } => format!("{run} is being cancelled"),
            Change::StepsAdded { run, version } => {
                format!("{run} has {} steps now", version.graph.steps.len())
            }
            Change::RunReopened { run, steps, .. } => {
                let steps: Vec<String> = steps.iter().map(|step| self.step(*run, *step)).collect();
                format!("{run} is open again: {}", steps.join(", "))
            }
            Change::RunEnded {
                run,
                phase,
                reason,
                note,
                ..
            } => format!("{run} is {}{}", run_state(*phase, *reason), noted(note)),
            other => return self.step_change(other),
        };
        Some(said)
    }

    fn step_change(&self, change: &Change) -> Option<String> {
        let said = match change {
            Change::FanOpened {
                run, step, count, ..
            } => format!("{} of {run} has {count} items", self.step(*run, *step)),
            Change::StepStarted {
                run,
                step,
                element,
                first,
                tasks,
                ..
            } => {
                let (name, more) = (self.step(*run, *step), tasks.len() as u64 - 1);
                match element {
                    None => format!("{name} of {run} is task {first}"),
                    Some(from) if more == 0 => format!("{name}.{from} of {run} is task {first}"),
                    Some(from) => {
                        let (to, last) = (u64::from(*from) + more, TaskId(first.0 + more));
                        format!("{name}.{from} to {name}.{to} of {run} are tasks {first} to {last}")
                    }
                }
            }
            Change::StepReturned {
                run,
                step,
                element,
                value,
            } => {
                let element = element.map(|element| format!(".{element}"));
                let name = self.step(*run, *step) + &element.unwrap_or_default();
                format!(
                    "{name} of {run} returned {}",
                    String::from_utf8_lossy(value)
                )
            }
            Change::StepDecided {
                run,
                step,
                outcome,
                note,
            } => {
                let name = self.step(*run, *step);
                format!(
                    "{name} of {run} is {}{}",
                    self.outcome(*run, *outcome),
                    noted(note)
                )
            }
            _ => return None,
        };
        Some(said)
    }

    fn workflow(&self, id: WorkflowId) -> &str {
        self.workflows.get(&id).map_or("nothing", String::as_str)
    }

    fn step(&self, run: RunId, step: u32) -> String {
        let names = self.runs.get(&run);
        let name = names.and_then(|names| names.get(step as usize));
        name.cloned().unwrap_or_else(|| format!("step {step}"))
    }

    fn outcome(&self, run: RunId, outcome: StepOutcome) -> String {
        let phase = outcome.phase.name();
        match outcome.reason {
            StepReason::Upstream(step) => format!("{phase} (upstream: {})", self.step(run, step)),
            StepReason::Elements(count) => format!("{phase} (element_failed: {count})"),
            reason if reason.name().is_empty() => phase.to_owned(),
            reason => format!("{phase} ({})", reason.name()),
        }
    }
}

pub(crate) fn run_state(phase: RunPhase, reason: RunReason) -> String {
    match reason {
        RunReason::None => phase.name().to_owned(),
        reason => format!("{} ({})", phase.name(), reason.name()),
    }
}

fn noted(note: &str) -> String {
    match note {
        "" => String::new(),
        note => format!(": {note}"),
    }
}

fn names(version: &Version) -> Vec<String> {
    let steps = version.graph.steps.iter();
    steps.map(|node| node.name.clone()).collect()
}

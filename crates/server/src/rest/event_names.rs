//! Names of what events only number. They come from the events themselves where those say them,
//! else from the state; of what is gone there is none.

use std::collections::HashMap;

use capataz_engine::{Change, Event, GroupId, PodId, RunId, State, WorkerId, WorkflowId};

use capataz_journal::Position;

use super::context::Context;
use crate::store::Reader;

/// Names that one stream remembers of each kind before it forgets them all.
const REMEMBERED: usize = 10_000;

/// Names of what events only number.
#[derive(Default)]
pub(super) struct Names {
    groups: HashMap<GroupId, Option<String>>,
    pods: HashMap<PodId, Option<String>>,
    workers: HashMap<WorkerId, Option<String>>,
    workflows: HashMap<WorkflowId, Option<String>>,
    steps: HashMap<(RunId, u32), Option<String>>,
}

/// Numbers whose names are not known.
#[derive(Default)]
struct Missing {
    groups: Vec<GroupId>,
    pods: Vec<PodId>,
    workers: Vec<WorkerId>,
    workflows: Vec<WorkflowId>,
    steps: Vec<(RunId, u32)>,
}

impl Names {
    pub(super) fn group(&self, id: GroupId) -> Option<String> {
        self.groups.get(&id).cloned().flatten()
    }

    pub(super) fn pod(&self, id: PodId) -> Option<String> {
        self.pods.get(&id).cloned().flatten()
    }

    pub(super) fn worker(&self, id: WorkerId) -> Option<String> {
        self.workers.get(&id).cloned().flatten()
    }

    pub(super) fn workflow(&self, id: WorkflowId) -> Option<String> {
        self.workflows.get(&id).cloned().flatten()
    }

    pub(super) fn step(&self, run: RunId, step: u32) -> Option<String> {
        self.steps.get(&(run, step)).cloned().flatten()
    }

    /// Finds the names that events need before they are shown.
    pub(super) async fn learn(&mut self, context: &Context, end: Position, events: &[Event]) {
        let known = [
            self.groups.len(),
            self.pods.len(),
            self.workers.len(),
            self.workflows.len(),
            self.steps.len(),
        ];
        if known.into_iter().max() > Some(REMEMBERED) {
            *self = Names::default();
        }
        let mut missing = Missing::default();
        for event in events {
            self.learn_one(&event.change, &mut missing);
        }
        if missing.is_empty() {
            return;
        }
        let found = context
            .namespace
            .query(move |state| missing.look_up(state))
            .await;
        // The namespace has stopped, and the stream ends with it.
        let Ok((found, _)) = found else { return };
        self.groups.extend(found.groups);
        self.pods.extend(found.pods);
        self.workers.extend(found.workers);
        self.workflows.extend(found.workflows);
        let (known, gone): (Vec<_>, Vec<_>) = found
            .steps
            .into_iter()
            .partition(|(_, name)| name.is_some());
        self.steps.extend(known);
        self.learn_ended(
            context,
            end,
            gone.into_iter().map(|(step, _)| step).collect(),
        )
        .await;
    }

    /// Steps of runs that have ended meanwhile only the store knows.
    async fn learn_ended(&mut self, context: &Context, end: Position, steps: Vec<(RunId, u32)>) {
        if steps.is_empty() || context.await_store(end).await.is_err() {
            return;
        }
        let read = move |store: &Reader| {
            let look = |(run, step)| Ok(((run, step), store.step_name(run, step)?));
            steps.into_iter().map(look).collect::<Result<Vec<_>, _>>()
        };
        if let Ok(found) = context.read(read).await {
            self.steps.extend(found);
        }
    }

    fn learn_one(&mut self, change: &Change, missing: &mut Missing) {
        match change {
            Change::GroupCreated { group, name } => {
                self.groups.insert(*group, Some(name.clone()));
            }
            Change::PodCreated { pod, name, .. } => {
                self.pods.insert(*pod, Some(name.clone()));
            }
            Change::Joined {
                worker, pod, hello, ..
            } => {
                self.workers.insert(*worker, Some(hello.name.clone()));
                self.pods.insert(*pod, Some(hello.pod.clone()));
            }
            Change::Submitted { tasks, .. } => {
                for task in tasks {
                    self.need_group(task.group, missing);
                }
            }
            Change::WorkflowCreated { workflow, name } => {
                self.workflows.insert(*workflow, Some(name.clone()));
            }
            Change::VersionRegistered { workflow, .. }
            | Change::WorkflowRemoved { workflow }
            | Change::RunStarted { workflow, .. }
                if !self.workflows.contains_key(workflow) =>
            {
                self.workflows.insert(*workflow, None);
                missing.workflows.push(*workflow);
            }
            Change::StepStarted {
                run, step, tasks, ..
            } => {
                for task in tasks {
                    self.need_group(task.group, missing);
                }
                self.need_step(*run, *step, missing);
            }
            Change::FanOpened { run, step, .. } | Change::StepDecided { run, step, .. } => {
                self.need_step(*run, *step, missing);
            }
            Change::GroupSet { group, .. } | Change::Revived { group, .. } => {
                self.need_group(*group, missing);
            }
            Change::PodSet { pod, .. }
            | Change::PodReleased { pod }
            | Change::SlotReleased { pod, .. }
                if !self.pods.contains_key(pod) =>
            {
                self.pods.insert(*pod, None);
                missing.pods.push(*pod);
            }
            Change::Leased { worker, .. }
            | Change::Detached { worker }
            | Change::Left { worker, .. }
            | Change::DrainSet { worker, .. }
                if !self.workers.contains_key(worker) =>
            {
                self.workers.insert(*worker, None);
                missing.workers.push(*worker);
            }
            _ => {}
        }
    }

    fn need_step(&mut self, run: RunId, step: u32, missing: &mut Missing) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.steps.entry((run, step)) {
            entry.insert(None);
            missing.steps.push((run, step));
        }
    }

    fn need_group(&mut self, group: GroupId, missing: &mut Missing) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.groups.entry(group) {
            entry.insert(None);
            missing.groups.push(group);
        }
    }
}

impl Missing {
    fn is_empty(&self) -> bool {
        self.groups.is_empty()
            && self.pods.is_empty()
            && self.workers.is_empty()
            && self.workflows.is_empty()
            && self.steps.is_empty()
    }

    fn look_up(self, state: &State) -> Names {
        let group = |id| (id, state.group_view(id).map(|view| view.name));
        let pod = |id| (id, state.pod_view(id).map(|view| view.name));
        let worker = |id| (id, state.worker_view(id).map(|view| view.name));
        let workflow = |id| (id, state.workflow_name(id).map(str::to_owned));
        let step = |(run, step)| {
            let name = state.step_name(run, step).map(str::to_owned);
            ((run, step), name)
        };
        Names {
            workflows: self.workflows.into_iter().map(workflow).collect(),
            steps: self.steps.into_iter().map(step).collect(),
            groups: self.groups.into_iter().map(group).collect(),
            pods: self.pods.into_iter().map(pod).collect(),
            workers: self.workers.into_iter().map(worker).collect(),
        }
    }
}

//! Names of what events only number. They come from the events themselves where those say them,
//! else from the state; of what is gone there is none.

use std::collections::HashMap;

use capataz_engine::{Change, Event, GroupId, PodId, State, WorkerId};

use super::context::Context;

/// Names that one stream remembers of each kind before it forgets them all.
const REMEMBERED: usize = 10_000;

/// Names of what events only number.
#[derive(Default)]
pub(super) struct Names {
    groups: HashMap<GroupId, Option<String>>,
    pods: HashMap<PodId, Option<String>>,
    workers: HashMap<WorkerId, Option<String>>,
}

/// Numbers whose names are not known.
#[derive(Default)]
struct Missing {
    groups: Vec<GroupId>,
    pods: Vec<PodId>,
    workers: Vec<WorkerId>,
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

    /// Finds the names that events need before they are shown.
    pub(super) async fn learn(&mut self, context: &Context, events: &[Event]) {
        if self
            .groups
            .len()
            .max(self.pods.len())
            .max(self.workers.len())
            > REMEMBERED
        {
            *self = Names::default();
        }
        let mut missing = Missing::default();
        for event in events {
            self.learn_one(&event.change, &mut missing);
        }
        if missing.groups.is_empty() && missing.pods.is_empty() && missing.workers.is_empty() {
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

    fn need_group(&mut self, group: GroupId, missing: &mut Missing) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.groups.entry(group) {
            entry.insert(None);
            missing.groups.push(group);
        }
    }
}

impl Missing {
    fn look_up(self, state: &State) -> Names {
        let group = |id| (id, state.group_view(id).map(|view| view.name));
        let pod = |id| (id, state.pod_view(id).map(|view| view.name));
        let worker = |id| (id, state.worker_view(id).map(|view| view.name));
        Names {
            groups: self.groups.into_iter().map(group).collect(),
            pods: self.pods.into_iter().map(pod).collect(),
            workers: self.workers.into_iter().map(worker).collect(),
        }
    }
}

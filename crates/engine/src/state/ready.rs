//! Which group can be served, by which worker: kept up to date event by event, so that a lease
//! costs the same with one group and one worker as with thousands.
//!
//! Workers that serve the same groups form a class. A class knows its workers that can take work
//! and its groups that have work; it is active when it has both, and stands in the index under
//! its best group.

use std::collections::{BTreeMap, BTreeSet};

use super::State;
use crate::id::{GroupId, PodId, WorkerId};
use crate::limits::PRIORITY_MAX;

/// The order in which groups are served: most urgent head first, then least recently served.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Rank {
    /// 0 for the most urgent.
    pub(crate) urgency: u8,
    pub(crate) last_served: u64,
}

/// Workers that serve the same groups.
#[derive(Default)]
struct Class {
    groups: Vec<GroupId>,
    /// Workers that can take work, least recently used first.
    available: BTreeSet<(u64, WorkerId)>,
    /// Groups that have work.
    ready: BTreeSet<(Rank, GroupId)>,
    /// Under what it stands among the active classes.
    active: Option<(Rank, GroupId)>,
}

/// The index.
#[derive(Default)]
pub(crate) struct ReadyIndex {
    classes: Vec<Class>,
    numbers: BTreeMap<Vec<GroupId>, u32>,
    active: BTreeSet<(Rank, GroupId, u32)>,
}

impl ReadyIndex {
    /// The group to serve next.
    pub(crate) fn best(&self) -> Option<GroupId> {
        self.active.first().map(|(_, group, _)| *group)
    }

    fn activate(&mut self, number: u32) {
        let class = &mut self.classes[number as usize];
        let best = match class.available.is_empty() {
            true => None,
            false => class.ready.first().copied(),
        };
        if best == class.active {
            return;
        }
        if let Some((rank, group)) = class.active {
            self.active.remove(&(rank, group, number));
        }
        if let Some((rank, group)) = best {
            self.active.insert((rank, group, number));
        }
        class.active = best;
    }
}

impl State {
    /// The worker to serve a group with: the one used least recently of those that can.
    pub(crate) fn least_used_worker(&self, group: GroupId) -> Option<WorkerId> {
        let classes = &self.group(group)?.classes;
        let first = |class: &u32| {
            self.ready.classes[*class as usize]
                .available
                .first()
                .copied()
        };
        classes
            .iter()
            .filter_map(first)
            .min()
            .map(|(_, worker)| worker)
    }

    /// Workers that could serve a group now: class by class, in each the least used first.
    pub(crate) fn free_workers(&self, group: GroupId) -> impl Iterator<Item = WorkerId> + '_ {
        let classes = self.group(group).map_or(&[][..], |group| &group.classes);
        classes
            .iter()
            .flat_map(|class| &self.ready.classes[*class as usize].available)
            .map(|(_, worker)| *worker)
    }

    /// The class of workers that serve `groups`, made when it is new.
    pub(crate) fn class_of(&mut self, groups: &[GroupId]) -> u32 {
        let mut sorted = groups.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        if let Some(number) = self.ready.numbers.get(&sorted) {
            return *number;
        }
        let number = self.ready.classes.len() as u32;
        let mut class = Class {
            groups: sorted.clone(),
            ..Class::default()
        };
        for id in &class.groups {
            if let Some(group) = self.groups.get_mut(id.0 as usize) {
                group.classes.push(number);
                class.ready.extend(group.rank.map(|rank| (rank, *id)));
            }
        }
        self.ready.classes.push(class);
        self.ready.numbers.insert(sorted, number);
        number
    }

    /// Puts a group where it belongs after its queues, its running tasks or its settings changed.
    pub(crate) fn refresh_group(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(id.0 as usize) else {
            return;
        };
        let held_back = group.paused || group.at_limit();
        let rank = group.top().filter(|_| !held_back).map(|priority| Rank {
            urgency: PRIORITY_MAX - priority.min(PRIORITY_MAX),
            last_served: group.last_served,
        });
        if rank == group.rank {
            return;
        }
        let before = std::mem::replace(&mut group.rank, rank);
        for number in &group.classes {
            let class = &mut self.ready.classes[*number as usize];
            if let Some(before) = before {
                class.ready.remove(&(before, id));
            }
            if let Some(rank) = rank {
                class.ready.insert((rank, id));
            }
            self.ready.activate(*number);
        }
    }

    /// Puts a worker where it belongs after its credit or its pod changed.
    pub(crate) fn refresh_worker(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let room = self.pods.get(&worker.pod).is_some_and(super::Pod::has_room);
        let place = (room && worker.credit() > 0).then_some(worker.last_used);
        if place == worker.indexed {
            return;
        }
        let before = std::mem::replace(&mut worker.indexed, place);
        let number = worker.class;
        let class = &mut self.ready.classes[number as usize];
        if let Some(before) = before {
            class.available.remove(&(before, id));
        }
        if let Some(place) = place {
            class.available.insert((place, id));
        }
        self.ready.activate(number);
    }

    /// Takes a worker that leaves out of the index.
    pub(crate) fn unindex_worker(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let Some(place) = worker.indexed.take() else {
            return;
        };
        let number = worker.class;
        self.ready.classes[number as usize]
            .available
            .remove(&(place, id));
        self.ready.activate(number);
    }

    /// Puts all workers of a pod where they belong after its slots changed.
    pub(crate) fn refresh_pod(&mut self, id: PodId) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        let workers: Vec<WorkerId> = pod.workers.iter().copied().collect();
        for worker in workers {
            self.refresh_worker(worker);
        }
    }
}

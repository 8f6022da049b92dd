//! A second opinion: folds the engine's events into a model of its own, which shares no code with
//! the engine, and objects to every event that breaks a promise.

mod check;
mod fold;
mod servable;

use std::collections::{BTreeMap, BTreeSet};

use capataz_engine::{
    Attempt, GroupId, Key, OnLost, Phase, PodId, Policy, Timestamp, TokenId, WorkerId,
};

/// What the events add up to.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) groups: BTreeMap<GroupId, Group>,
    pub(crate) pods: BTreeMap<PodId, Pod>,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    /// Tasks and elements; an array itself is not one.
    pub(crate) units: BTreeMap<Key, Unit>,
    pub(crate) leases: BTreeMap<(Key, Attempt), Lease>,
    pub(crate) dedup: BTreeMap<(GroupId, u128), Key>,
    tokens: BTreeSet<TokenId>,
    next_task: u64,
    /// Counts leases.
    service: u64,
    /// What happened, for the message of a failure.
    pub(crate) leased: u64,
    pub(crate) ended: u64,
}

#[derive(Default)]
pub(crate) struct Group {
    pub(crate) name: String,
    max_running: Option<u32>,
    paused: bool,
    last_served: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
}

pub(crate) struct Pod {
    pub(crate) name: String,
    slots: u32,
    on_lost: OnLost,
    paused: bool,
    held: BTreeSet<(Key, Attempt)>,
}

pub(crate) struct Worker {
    pub(crate) name: String,
    pod: PodId,
    groups: Vec<GroupId>,
    attached: bool,
    draining: bool,
    polling: bool,
    concurrency: u32,
    /// Attempts that its poll still waits for.
    credit: u32,
    last_used: u64,
}

#[derive(Clone)]
pub(crate) struct Unit {
    pub(crate) group: GroupId,
    pub(crate) priority: u8,
    pub(crate) policy: Policy,
    pub(crate) affinity: Vec<u64>,
    pub(crate) submitted_at: Timestamp,
    expires_at: Option<Timestamp>,
    pub(crate) dedup: Option<u128>,
    pub(crate) stand: Stand,
    pub(crate) attempts: u32,
    failures: u32,
    lost: u32,
    pub(crate) rounds: u32,
    pub(crate) ended_at: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stand {
    Queued,
    Scheduled(Timestamp),
    Running(Attempt),
    Ended(Phase),
}

pub(crate) struct Lease {
    pub(crate) worker: WorkerId,
    pod: PodId,
    group: GroupId,
}

impl Model {
    /// The elements of an array, or the one unit that a key names.
    fn units_of(&self, key: Key) -> Vec<Key> {
        if self.units.contains_key(&key) {
            return vec![key];
        }
        let all = self.units.keys().copied();
        all.filter(|unit| unit.task() == key.task() && key.index().is_none())
            .collect()
    }

    fn leases_in(&self, pod: PodId) -> usize {
        self.leases
            .values()
            .filter(|lease| lease.pod == pod)
            .count()
    }

    fn running_in(&self, group: GroupId) -> usize {
        self.leases
            .values()
            .filter(|lease| lease.group == group)
            .count()
    }

    fn held_by(&self, worker: WorkerId) -> usize {
        self.leases
            .values()
            .filter(|lease| lease.worker == worker)
            .count()
    }
}

impl Unit {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stand, Stand::Ended(_))
    }

    pub(crate) fn is_queued(&self) -> bool {
        self.stand == Stand::Queued
    }
}

//! Which entries changed since the store was last given them.
//!
//! A list for each kind of entry, which may name one entry several times: sorting numbers once per
//! handout is cheaper than looking each change up.

use super::EntryKey;
use crate::id::{Attempt, GroupId, Key, PodId, TaskId, WorkerId};
use crate::token::TokenId;

/// Names of changed entries.
#[derive(Default)]
pub(crate) struct Dirty {
    meta: bool,
    groups: Vec<GroupId>,
    pods: Vec<PodId>,
    workers: Vec<WorkerId>,
    tasks: Vec<TaskId>,
    leases: Vec<(Key, Attempt)>,
    dedup: Vec<(GroupId, u128)>,
    requests: Vec<u128>,
    tokens: Vec<TokenId>,
    /// Of workflows and runs.
    runs: Vec<EntryKey>,
    /// Tasks and leases that the store has and that were removed; they may be back.
    removed: Vec<EntryKey>,
}

impl Dirty {
    /// Something of an entry changed; it may be gone.
    pub(crate) fn change(&mut self, key: EntryKey) {
        match key {
            EntryKey::Meta => self.meta = true,
            EntryKey::Group(id) => push(&mut self.groups, id),
            EntryKey::Pod(id) => push(&mut self.pods, id),
            EntryKey::Worker(id) => push(&mut self.workers, id),
            EntryKey::Task(id) => push(&mut self.tasks, id),
            EntryKey::Lease(key, attempt) => push(&mut self.leases, (key, attempt)),
            EntryKey::Dedup(group, key) => push(&mut self.dedup, (group, key)),
            EntryKey::Request(id) => push(&mut self.requests, id),
            EntryKey::Token(id) => push(&mut self.tokens, id),
            EntryKey::Workflow(_)
            | EntryKey::Version(..)
            | EntryKey::Run(_)
            | EntryKey::RunSteps(..)
            | EntryKey::FanItems(..)
            | EntryKey::StepOutput(..)
            | EntryKey::Archive(_) => push(&mut self.runs, key),
        }
    }

    /// An entry that the store has was removed.
    pub(crate) fn remove(&mut self, key: EntryKey) {
        self.removed.push(key);
    }

    /// How many changes are noted, some of them more than once.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.meta)
            + self.groups.len()
            + self.pods.len()
            + self.workers.len()
            + self.tasks.len()
            + self.leases.len()
            + self.dedup.len()
            + self.requests.len()
            + self.tokens.len()
            + self.runs.len()
            + self.removed.len()
    }

    /// Entries that changed, each once, in the order of a restore.
    pub(crate) fn changed(&mut self) -> impl Iterator<Item = EntryKey> + use<> {
        let meta = std::mem::take(&mut self.meta).then_some(EntryKey::Meta);
        let leases = sorted(&mut self.leases);
        let dedup = sorted(&mut self.dedup);
        meta.into_iter()
            .chain(sorted(&mut self.groups).map(EntryKey::Group))
            .chain(sorted(&mut self.pods).map(EntryKey::Pod))
            .chain(sorted(&mut self.workers).map(EntryKey::Worker))
            .chain(sorted(&mut self.tasks).map(EntryKey::Task))
            .chain(leases.map(|(key, attempt)| EntryKey::Lease(key, attempt)))
            .chain(dedup.map(|(group, key)| EntryKey::Dedup(group, key)))
            .chain(sorted(&mut self.requests).map(EntryKey::Request))
            .chain(sorted(&mut self.tokens).map(EntryKey::Token))
            .chain(sorted(&mut self.runs))
    }

    /// Removed entries, each once.
    pub(crate) fn removed(&mut self) -> impl Iterator<Item = EntryKey> + use<> {
        sorted(&mut self.removed)
    }
}

/// Most changes come in runs of one entry.
fn push<T: Copy + PartialEq>(list: &mut Vec<T>, item: T) {
    if list.last() != Some(&item) {
        list.push(item);
    }
}

fn sorted<T: Copy + Ord>(list: &mut Vec<T>) -> impl Iterator<Item = T> + use<T> {
    let mut list = std::mem::take(list);
    list.sort_unstable();
    list.dedup();
    list.into_iter()
}

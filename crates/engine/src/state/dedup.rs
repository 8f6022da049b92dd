//! Dedup keys: one key of a group stands for one task, while it lives and an hour longer.
//!
//! A live task has its key beside it, in the task table and in its entry of the store. Only when it
//! ends does the key get an entry of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::claims::Claim;
use super::key_index::KeyIndex;
use super::{EntryKey, State, TaskTable};
use crate::id::{GroupId, TaskId};
use crate::limits;
use crate::time::Timestamp;

/// What a key stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct DedupEntry {
    /// The task, or the run.
    pub(crate) task: TaskId,
    /// What was submitted under it; see [`short`].
    pub(crate) content: u64,
    pub(crate) ended_at: Option<Timestamp>,
}

/// What is kept of a content's hash. It is only ever compared when the keys are equal: of all
/// submissions that use a key again for something else, one in 2^64 passes for the same.
pub(crate) fn short(content: u128) -> u64 {
    content as u64
}

/// Where a key of a group is looked for. The keys are hashes; so that those of many groups that use
/// the same key are not all in one place, the group is in it, multiplied by the golden ratio.
fn hash(group: GroupId, key: u128) -> u64 {
    key as u64 ^ u64::from(group.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn hash_of(tasks: &TaskTable, id: TaskId) -> Option<u64> {
    let (task, claim) = tasks.with_claim(id)?;
    Some(hash(task.group, claim?.key))
}

/// Dedup keys by group and hash.
#[derive(Default)]
pub(crate) struct DedupTable {
    /// Live tasks with keys.
    live: KeyIndex,
    /// The keys of ended tasks, and those of runs. None of them is that of a live task.
    kept: BTreeMap<(GroupId, u128), DedupEntry>,
    /// Those that are over, the oldest first. A set, so that keys that ended at one time are
    /// swept in the same order by a leader and by one that restored them from a store.
    ended: BTreeSet<(Timestamp, GroupId, u128)>,
    /// Live tasks with keys that were restored and are not in the index yet.
    restored: u64,
}

impl DedupTable {
    pub(crate) fn len(&self) -> u64 {
        self.live.len() + self.kept.len() as u64
    }

    /// What a key of a run or an ended task stands for at `now`: one whose time is over stands for
    /// nothing, swept or not.
    pub(crate) fn get(&self, group: GroupId, key: u128, now: Timestamp) -> Option<&DedupEntry> {
        let is_kept = |entry: &&DedupEntry| {
            entry
                .ended_at
                .is_none_or(|at| at + limits::DEDUP_KEPT > now)
        };
        self.entry(group, key).filter(is_kept)
    }

    /// The entry of a key as it is kept.
    pub(crate) fn entry(&self, group: GroupId, key: u128) -> Option<&DedupEntry> {
        self.kept.get(&(group, key))
    }

    pub(crate) fn insert(&mut self, group: GroupId, key: u128, entry: DedupEntry) {
        if let Some(at) = entry.ended_at {
            self.ended.insert((at, group, key));
        }
        let before = self.kept.insert((group, key), entry);
        if let Some(at) = before.and_then(|before| before.ended_at)
            && entry.ended_at != Some(at)
        {
            self.ended.remove(&(at, group, key));
        }
    }

    /// The key has no entry any more. Says whether it had one.
    fn remove(&mut self, group: GroupId, key: u128) -> bool {
        let before = self.kept.remove(&(group, key));
        if let Some(at) = before.and_then(|before| before.ended_at) {
            self.ended.remove(&(at, group, key));
        }
        before.is_some()
    }

    /// The live task that has the key is over: the key gets an entry.
    pub(crate) fn outlive(&mut self, group: GroupId, claim: Claim, task: TaskId, at: Timestamp) {
        self.live.remove(hash(group, claim.key), task);
        let entry = DedupEntry {
            task,
            content: claim.content,
            ended_at: Some(at),
        };
        self.insert(group, claim.key, entry);
    }

    /// The run has ended. A key that stands for another one by now is left alone.
    pub(crate) fn end(&mut self, group: GroupId, key: u128, task: TaskId, at: Timestamp) {
        if let Some(entry) = self.kept.get_mut(&(group, key))
            && entry.task == task
            && entry.ended_at.is_none()
        {
            entry.ended_at = Some(at);
            self.ended.insert((at, group, key));
        }
    }

    /// The run lives again. A key that stands for another one by now is left alone.
    pub(crate) fn revive(&mut self, group: GroupId, key: u128, task: TaskId) {
        if let Some(entry) = self.kept.get_mut(&(group, key))
            && entry.task == task
            && let Some(at) = entry.ended_at.take()
        {
            self.ended.remove(&(at, group, key));
        }
    }

    /// Removes one key whose time is over at `now`, and names it.
    pub(crate) fn sweep(&mut self, now: Timestamp) -> Option<(GroupId, u128)> {
        let (at, group, key) = self.ended.first().copied()?;
        if at + limits::DEDUP_KEPT > now {
            return None;
        }
        self.ended.pop_first();
        self.kept.remove(&(group, key));
        Some((group, key))
    }

    /// Keys with entries of their own.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (GroupId, u128)> + '_ {
        self.kept.keys().copied()
    }
}

impl State {
    /// The task that a key stands for at `now`, and what was submitted under it.
    pub(crate) fn stands_for(
        &self,
        group: GroupId,
        key: u128,
        now: Timestamp,
    ) -> Option<(TaskId, u64)> {
        let ended = || self.dedup.get(group, key, now);
        self.claimant(group, key)
            .or_else(|| ended().map(|entry| (entry.task, entry.content)))
    }

    /// The live task that has the key.
    fn claimant(&self, group: GroupId, key: u128) -> Option<(TaskId, u64)> {
        let mut found = self.dedup.live.candidates(hash(group, key));
        found.find_map(|id| {
            let (task, claim) = self.tasks.with_claim(id)?;
            let claim = claim.filter(|claim| claim.key == key && task.group == group);
            Some((id, claim?.content))
        })
    }

    /// From now on the key stands for this live task, whatever it has stood for.
    pub(crate) fn claim(&mut self, id: TaskId, claim: Claim) {
        let Some(group) = self.tasks.get(id).map(|task| task.group) else {
            return;
        };
        // No journal takes a key from a live task.
        if let Some((other, _)) = self.claimant(group, claim.key) {
            self.unclaim(other);
            self.touch(EntryKey::Task(other));
        }
        if self.dedup.remove(group, claim.key) {
            self.touch(EntryKey::Dedup(group, claim.key));
        }
        self.tasks.set_claim(id, claim);
        let tasks = &self.tasks;
        let hash = hash(group, claim.key);
        self.dedup.live.insert(hash, id, |id| hash_of(tasks, id));
    }

    /// A task that is restored has the key; [`State::finish_restoring_claims`] makes it found.
    pub(super) fn restore_claim(&mut self, id: TaskId, claim: Claim) {
        self.tasks.set_claim(id, claim);
        self.dedup.restored += 1;
    }

    pub(super) fn finish_restoring_claims(&mut self) {
        let claims = self.tasks.claims();
        let hashes = claims.map(|(id, task, claim)| (hash(task.group, claim.key), id));
        self.dedup.live = KeyIndex::of(std::mem::take(&mut self.dedup.restored), hashes);
    }

    /// The live task has no key any more.
    pub(crate) fn unclaim(&mut self, id: TaskId) {
        if let Some(hash) = hash_of(&self.tasks, id) {
            self.dedup.live.remove(hash, id);
            self.tasks.take_claim(id);
        }
    }
}

#[cfg(test)]
#[path = "dedup_tests.rs"]
mod tests;

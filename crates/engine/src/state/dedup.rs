//! Dedup keys: one key of a group stands for one task, while it lives and an hour longer.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, TaskId};
use crate::limits;
use crate::time::Timestamp;

/// What a key stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct DedupEntry {
    pub(crate) task: TaskId,
    pub(crate) content: u128,
    pub(crate) ended_at: Option<Timestamp>,
}

/// Dedup keys by group and hash.
#[derive(Default)]
pub(crate) struct DedupTable {
    entries: BTreeMap<(GroupId, u128), DedupEntry>,
    /// Keys of ended tasks, the oldest first. A set, so that keys that ended at one time are
    /// swept in the same order by a leader and by one that restored them from a store.
    ended: BTreeSet<(Timestamp, GroupId, u128)>,
}

impl DedupTable {
    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// What a key stands for at `now`: one whose time is over stands for nothing, swept or not.
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
        self.entries.get(&(group, key))
    }

    pub(crate) fn insert(&mut self, group: GroupId, key: u128, entry: DedupEntry) {
        if let Some(at) = entry.ended_at {
            self.ended.insert((at, group, key));
        }
        let before = self.entries.insert((group, key), entry);
        if let Some(at) = before.and_then(|before| before.ended_at)
            && entry.ended_at != Some(at)
        {
            self.ended.remove(&(at, group, key));
        }
    }

    /// The task has ended. A key that stands for another task by now is left alone.
    pub(crate) fn end(&mut self, group: GroupId, key: u128, task: TaskId, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&(group, key))
            && entry.task == task
            && entry.ended_at.is_none()
        {
            entry.ended_at = Some(at);
            self.ended.insert((at, group, key));
        }
    }

    /// The task lives again. A key that stands for another task by now is left alone.
    pub(crate) fn revive(&mut self, group: GroupId, key: u128, task: TaskId) {
        if let Some(entry) = self.entries.get_mut(&(group, key))
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
        self.entries.remove(&(group, key));
        Some((group, key))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (GroupId, u128)> + '_ {
        self.entries.keys().copied()
    }
}

//! Dedup keys: one key of a group stands for one task, while it lives and an hour longer.

use std::collections::{BTreeMap, VecDeque};

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
    /// Keys of ended tasks, oldest first; one that was revived since is skipped.
    ended: VecDeque<(Timestamp, GroupId, u128)>,
}

impl DedupTable {
    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn get(&self, group: GroupId, key: u128) -> Option<&DedupEntry> {
        self.entries.get(&(group, key))
    }

    pub(crate) fn insert(&mut self, group: GroupId, key: u128, entry: DedupEntry) {
        if let Some(at) = entry.ended_at {
            self.ended.push_back((at, group, key));
        }
        self.entries.insert((group, key), entry);
    }

    pub(crate) fn end(&mut self, group: GroupId, key: u128, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&(group, key)) {
            entry.ended_at = Some(at);
            self.ended.push_back((at, group, key));
        }
    }

    pub(crate) fn revive(&mut self, group: GroupId, key: u128) {
        if let Some(entry) = self.entries.get_mut(&(group, key)) {
            entry.ended_at = None;
        }
    }

    /// Removes one key whose time is over at `now`, and names it.
    pub(crate) fn sweep(&mut self, now: Timestamp) -> Option<(GroupId, u128)> {
        while let Some((at, group, key)) = self.ended.front().copied() {
            if at + limits::DEDUP_KEPT > now {
                return None;
            }
            self.ended.pop_front();
            let current = self
                .entries
                .get(&(group, key))
                .is_some_and(|e| e.ended_at == Some(at));
            if current {
                self.entries.remove(&(group, key));
                return Some((group, key));
            }
        }
        None
    }

    /// After a restore: the store returns keys in no order of time.
    pub(crate) fn sort_ended(&mut self) {
        self.ended.make_contiguous().sort_unstable();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (GroupId, u128)> + '_ {
        self.entries.keys().copied()
    }
}

//! Answers to recent calls, so that a call may be repeated.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::command::Ids;
use crate::limits;
use crate::time::Timestamp;

/// An answered call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct RequestEntry {
    pub(crate) content: u128,
    pub(crate) at: Timestamp,
    pub(crate) ids: Ids,
}

/// Answered calls by request id, the oldest dropped first.
#[derive(Default)]
pub(crate) struct RequestTable {
    entries: BTreeMap<u128, RequestEntry>,
    /// A set, so that answers of one time are dropped in the same order by a leader and by one
    /// that restored them from a store.
    order: BTreeSet<(Timestamp, u128)>,
}

impl RequestTable {
    /// What was answered, if it is kept at `now`, swept or not.
    pub(crate) fn get(&self, id: u128, now: Timestamp) -> Option<&RequestEntry> {
        self.entry(id)
            .filter(|entry| entry.at + limits::REQUEST_KEPT > now)
    }

    /// The entry of a request id as it is kept.
    pub(crate) fn entry(&self, id: u128) -> Option<&RequestEntry> {
        self.entries.get(&id)
    }

    pub(crate) fn insert(&mut self, id: u128, entry: RequestEntry) {
        let at = entry.at;
        if let Some(before) = self.entries.insert(id, entry) {
            self.order.remove(&(before.at, id));
        }
        self.order.insert((at, id));
    }

    /// Removes one answer that is too old at `now` or over `max`, and names it.
    pub(crate) fn sweep(&mut self, now: Timestamp, max: u64) -> Option<u128> {
        let (at, id) = self.order.first().copied()?;
        if at + limits::REQUEST_KEPT > now && self.entries.len() as u64 <= max {
            return None;
        }
        self.order.pop_first();
        self.entries.remove(&id);
        Some(id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u128> + '_ {
        self.entries.keys().copied()
    }
}

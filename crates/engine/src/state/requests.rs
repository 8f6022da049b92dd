//! Answers to recent calls, so that a call may be repeated.

use std::collections::{BTreeMap, VecDeque};

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
    order: VecDeque<(Timestamp, u128)>,
}

impl RequestTable {
    pub(crate) fn get(&self, id: u128) -> Option<&RequestEntry> {
        self.entries.get(&id)
    }

    pub(crate) fn insert(&mut self, id: u128, entry: RequestEntry) {
        self.order.push_back((entry.at, id));
        self.entries.insert(id, entry);
    }

    /// Removes one answer that is too old at `now` or over `max`, and names it.
    pub(crate) fn sweep(&mut self, now: Timestamp, max: u64) -> Option<u128> {
        let (at, id) = self.order.front().copied()?;
        if at + limits::REQUEST_KEPT > now && self.entries.len() as u64 <= max {
            return None;
        }
        self.order.pop_front();
        self.entries.remove(&id);
        Some(id)
    }

    /// After a restore: the store returns answers in no order of time.
    pub(crate) fn sort(&mut self) {
        self.order.make_contiguous().sort_unstable();
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u128> + '_ {
        self.entries.keys().copied()
    }
}

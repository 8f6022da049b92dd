//! A worker's session.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::command::Hello;
use crate::id::{Attempt, GroupId, Key, PodId};
use crate::limits;
use crate::planted::{Bug, planted};
use crate::time::Timestamp;

/// A worker that joined and has not left.
pub(crate) struct Worker {
    pub(crate) hello: Hello,
    pub(crate) pod: PodId,
    pub(crate) groups: Vec<GroupId>,
    /// Its class: all workers that serve the same groups.
    pub(crate) class: u32,
    pub(crate) attached: bool,
    pub(crate) draining: bool,
    pub(crate) since: Timestamp,
    /// When it was last given work, on the clock that counts leases.
    pub(crate) last_used: u64,
    /// What it has at hand, most recent first.
    pub(crate) keys: VecDeque<u64>,
    pub(crate) poll: Option<PollState>,
    pub(crate) leases: BTreeSet<(Key, Attempt)>,
    /// Under which number it stands in the index of available workers.
    pub(crate) indexed: Option<u64>,
}

/// The last poll of a polling worker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct PollState {
    pub(crate) id: u128,
    /// Attempts it still waits for; 0 when it was answered.
    pub(crate) credit: u32,
    /// What it got.
    pub(crate) leases: Vec<(Key, Attempt)>,
}

impl Worker {
    /// Attempts it can take right now, its pod left aside.
    pub(crate) fn credit(&self) -> u32 {
        let draining = self.draining && !planted(Bug::DrainedGetsWork);
        if !self.attached || draining {
            0
        } else if self.hello.polling {
            self.poll.as_ref().map_or(0, |poll| poll.credit)
        } else {
            self.hello
                .concurrency
                .saturating_sub(self.leases.len() as u32)
        }
    }

    /// Notes the keys of a task it was given, when it said that it remembers.
    pub(crate) fn remember(&mut self, keys: &[u64]) {
        let kept = (self.hello.remember as usize).min(limits::AFFINITY_KEYS);
        if kept == 0 {
            return;
        }
        for key in keys {
            if let Some(at) = self.keys.iter().position(|known| known == key) {
                self.keys.remove(at);
            }
            self.keys.push_front(*key);
        }
        self.keys.truncate(kept);
    }

    /// How many of a task's keys it has at hand.
    pub(crate) fn matches(&self, keys: &[u64]) -> usize {
        keys.iter().filter(|key| self.keys.contains(key)).count()
    }
}

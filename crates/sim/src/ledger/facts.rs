//! The tables of the ledger.

use std::collections::BTreeSet;

use bytes::Bytes;
use capataz_api::proto;
use capataz_engine::{Attempt, Key, OnLost, Phase, PodSettings};

/// The priority of a task that names none, as documented.
const PRIORITY: u32 = 5;
/// Attempts of a task that names no number, as documented.
const MAX_ATTEMPTS: u32 = 1;
/// Lost attempts that are forgiven to a task that names no number, as documented.
const MAX_LOST: u32 = 3;

/// An accepted task: what its spec says, read here and not by the server.
#[derive(Clone, Debug)]
pub(crate) struct TaskFacts {
    /// Its spec, as the client sent it.
    pub(crate) body: Bytes,
    pub(crate) group: u32,
    pub(crate) priority: u8,
    pub(crate) max_attempts: u32,
    pub(crate) max_lost: u32,
    pub(crate) count: Option<u32>,
    /// It may not start before; counts in its first round only.
    pub(crate) not_before: Option<u64>,
    /// It may not start from then on; counts in its first round only.
    pub(crate) expires_at: Option<u64>,
    pub(crate) dedup: Option<u128>,
    /// Elements that never had an attempt ended with their array.
    pub(crate) rest_closed: bool,
    /// It has ended, and all of it if it is an array.
    pub(crate) over: bool,
    /// The run, step and element that it is, if it is one.
    pub(crate) step: Option<(u64, usize, Option<u32>)>,
    /// It prefers the workers that were given others of its run.
    pub(crate) sticky: bool,
    /// With which events it ended, and how, and with which it came to life again.
    pub(crate) fates: Vec<(u64, Option<Phase>)>,
}

impl TaskFacts {
    /// A task that is accepted at `at`.
    pub(crate) fn new(
        at: u64,
        spec: &proto::TaskSpec,
        body: Bytes,
        group: u32,
        dedup: Option<u128>,
    ) -> TaskFacts {
        TaskFacts {
            body,
            group,
            priority: spec.priority.unwrap_or(PRIORITY) as u8,
            max_attempts: spec.max_attempts.unwrap_or(MAX_ATTEMPTS),
            max_lost: spec.max_lost.unwrap_or(MAX_LOST),
            count: spec.count,
            not_before: spec.delay_us.map(|delay| at + delay),
            expires_at: spec.expires_in_us.map(|span| at + span),
            dedup,
            rest_closed: false,
            over: false,
            step: None,
            sticky: false,
            fates: Vec::new(),
        }
    }
}

/// A lease in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseFacts {
    pub(crate) attempt: Attempt,
    pub(crate) worker: u32,
    pub(crate) pod: u32,
    pub(crate) revoked: bool,
}

/// A task, or an element that something happened to.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnitFacts {
    /// Its round is over.
    pub(crate) terminal: bool,
    pub(crate) attempts: Attempt,
    pub(crate) failures: u32,
    pub(crate) losses: u32,
    pub(crate) lease: Option<LeaseFacts>,
    pub(crate) revivals: u32,
    /// With which event it was closed, lost its lease or was revived last.
    pub(crate) changed: u64,
    /// It waits for that time: a backoff, or what it asked for itself.
    pub(crate) not_before: u64,
}

/// Where something waits: how urgent it is, in which place it was accepted, and what it is. A step
/// has the place of its run.
pub(crate) type Place = (u8, u64, Key);

/// A group.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupFacts {
    pub(crate) max_running: Option<u32>,
    pub(crate) paused: bool,
    /// Leases in force, those included whose task was decided meanwhile.
    pub(crate) running: u32,
    /// Who waits: the most urgent first, then in the order of acceptance.
    pub(crate) waiting: BTreeSet<Place>,
}

/// A session of a worker.
#[derive(Clone, Debug)]
pub(crate) struct WorkerFacts {
    pub(crate) pod: u32,
    pub(crate) concurrency: u32,
    pub(crate) leases: u32,
    pub(crate) attached: bool,
    pub(crate) draining: bool,
    /// What a polling worker's open poll may still get.
    pub(crate) credit: Option<u32>,
    /// Runs of whose steps it was given some that prefer to stay with one worker.
    pub(crate) runs: BTreeSet<u64>,
}

impl WorkerFacts {
    /// Whether it may be given one more attempt.
    pub(crate) fn wants_work(&self) -> bool {
        self.attached
            && !self.draining
            && match self.credit {
                Some(credit) => credit > 0,
                None => self.leases < self.concurrency,
            }
    }
}

/// A pod.
#[derive(Clone, Debug, Default)]
pub(crate) struct PodFacts {
    pub(crate) name: String,
    pub(crate) slots: u32,
    pub(crate) hold: bool,
    pub(crate) used: u32,
    pub(crate) held: BTreeSet<(Key, Attempt)>,
}

/// What a dedup key stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DedupFacts {
    pub(crate) task: u64,
    pub(crate) content: u128,
    /// What it stood for before.
    pub(crate) before: Option<u128>,
    pub(crate) ended_at: Option<u64>,
}

impl PodFacts {
    pub(crate) fn set(&mut self, settings: &PodSettings) {
        self.slots = settings.slots.unwrap_or(self.slots);
        if let Some(policy) = settings.on_lost {
            self.hold = policy == OnLost::Hold;
        }
    }
}

//! What the engine knows: durable entries, and indexes derived from them.
//!
//! Entries (tasks, leases, groups, pods, workers, dedup keys, request ids, tokens, workflows, runs,
//! one record of counters) are what the store keeps; `entries.rs` writes and reads them. Everything in `ready.rs`,
//! `queue.rs`, `timers.rs` and `key_index.rs` is rebuilt from them.

mod archive;
mod claims;
mod dedup;
mod dirty;
mod entries;
mod group;
mod key_index;
mod lease;
mod plan;
mod pod;
mod policies;
mod queue;
mod ready;
mod requests;
mod run;
mod run_entries;
mod runs;
mod snug;
mod task;
mod task_table;
mod timers;
mod units;
mod worker;
mod workflow;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use archive::message_left;
pub use entries::{EntryKey, RestoreError};

pub(crate) use archive::Archive;
pub(crate) use claims::Claim;
pub(crate) use dedup::{DedupEntry, DedupTable, short};
pub(crate) use dirty::Dirty;
pub(crate) use group::Group;
pub(crate) use lease::Lease;
pub(crate) use plan::Plan;
pub(crate) use pod::{Held, Pod};
pub(crate) use policies::PolicyTable;
pub(crate) use queue::{Level, Place, place};
pub(crate) use ready::{Rank, ReadyIndex};
pub(crate) use requests::{RequestEntry, RequestTable};
pub(crate) use run::{Fan, Run, RunEntry, Status, StepLink, WHOLE};
pub(crate) use runs::RunTable;
pub(crate) use task::{Array, Extra, Task, Unit, UnitPhase, Until};
pub(crate) use task_table::TaskTable;
pub(crate) use timers::{Timer, Timers};
pub(crate) use worker::{PollState, Worker};
pub(crate) use workflow::{Workflow, WorkflowEntry};

use crate::command::Hello;
use crate::id::{Attempt, GroupId, Key, PodId, TaskId, WorkerId};
use crate::limits;
use crate::planted::{Bug, planted};
use crate::time::Timestamp;
use crate::token::{Token, TokenId};

/// Where the keys of runs stand among the dedup keys: no group has this number.
pub(crate) const RUN_KEYS: GroupId = GroupId(u32::MAX);

/// Bounds that an operator may configure. They are recorded with every leadership, so that a
/// replay evicts exactly what the leader evicted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LimitsInForce {
    /// Dedup keys kept; new keyed submits are refused beyond it.
    pub max_dedup_keys: u64,
    /// Request ids kept; the oldest are dropped beyond it.
    pub max_request_ids: u64,
}

impl Default for LimitsInForce {
    fn default() -> LimitsInForce {
        LimitsInForce {
            max_dedup_keys: limits::DEDUP_KEYS,
            max_request_ids: limits::REQUEST_IDS,
        }
    }
}

/// Counters and leadership: one entry of the store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) epoch: u64,
    pub(crate) writer: String,
    pub(crate) limits: LimitsInForce,
    pub(crate) next_task: u64,
    pub(crate) next_pod: u32,
    pub(crate) next_worker: u32,
    pub(crate) next_workflow: u32,
    /// Counts leases: the order in which groups and workers were served.
    pub(crate) service: u64,
    /// The time of the last event.
    pub(crate) last_at: Timestamp,
}

impl Default for Meta {
    fn default() -> Meta {
        Meta {
            epoch: 0,
            writer: String::new(),
            limits: LimitsInForce::default(),
            next_task: 1,
            next_pod: 0,
            next_worker: 0,
            next_workflow: 0,
            service: 0,
            last_at: Timestamp(0),
        }
    }
}

/// The state of one namespace.
#[derive(Default)]
pub struct State {
    pub(crate) meta: Meta,
    /// By [`GroupId`]: groups are never forgotten.
    pub(crate) groups: Vec<Group>,
    pub(crate) group_names: BTreeMap<String, GroupId>,
    pub(crate) pods: BTreeMap<PodId, Pod>,
    pub(crate) pod_names: BTreeMap<String, PodId>,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    pub(crate) worker_names: BTreeMap<String, WorkerId>,
    pub(crate) tasks: TaskTable,
    pub(crate) leases: BTreeMap<(Key, Attempt), Lease>,
    pub(crate) policies: PolicyTable,
    pub(crate) dedup: DedupTable,
    pub(crate) requests: RequestTable,
    pub(crate) tokens: BTreeMap<TokenId, Token>,
    pub(crate) runs: RunTable,
    pub(crate) timers: Timers,
    pub(crate) ready: ReadyIndex,
    /// Entries that changed since they were last handed to the store.
    pub(crate) dirty: Dirty,
}

impl State {
    /// The leadership in force.
    pub fn epoch(&self) -> u64 {
        self.meta.epoch
    }

    /// The time of the last event: the leader's time never falls below it.
    pub fn last_at(&self) -> Timestamp {
        self.meta.last_at
    }

    /// The id that the next task gets.
    pub fn next_task(&self) -> TaskId {
        TaskId(self.meta.next_task)
    }

    /// When the next timer is due, if there is one.
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first()
    }

    /// Live tasks, arrays counted once.
    pub fn live_tasks(&self) -> u64 {
        self.tasks.len()
    }

    /// Leases in force, revoked ones included.
    pub fn live_leases(&self) -> usize {
        self.leases.len()
    }

    /// Whether a lease could be given right now.
    pub fn can_dispatch(&self) -> bool {
        self.ready.best().is_some()
    }

    /// Whether the same process has said hello on a later connection already.
    pub fn is_late(&self, hello: &Hello) -> bool {
        let known = self.worker_names.get(&hello.name);
        let last = known.and_then(|id| self.workers.get(id));
        let is_late = last.is_some_and(|worker| hello.came_before(worker.hello.life()));
        is_late && !planted(Bug::LateHelloHeard)
    }

    /// What every worker that is known said when it last joined.
    pub fn hellos(&self) -> impl Iterator<Item = &Hello> {
        self.workers.values().map(|worker| &worker.hello)
    }

    pub(crate) fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.0 as usize)
    }

    pub(crate) fn worker(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(&id)
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.workers.iter().map(|(id, worker)| (*id, worker))
    }

    /// The leases of a task, of an array with all its elements, or of one element.
    pub(crate) fn leases_of(&self, key: Key) -> impl Iterator<Item = ((Key, Attempt), &Lease)> {
        let last = match key.index() {
            Some(_) => key,
            None => Key::from_raw(TaskId(key.task().0 + 1).key().to_raw().wrapping_sub(1)),
        };
        self.leases
            .range((key, 0)..=(last, Attempt::MAX))
            .map(|(token, lease)| (*token, lease))
    }

    pub(crate) fn leases_held_by(
        &self,
        worker: WorkerId,
    ) -> impl Iterator<Item = ((Key, Attempt), &Lease)> {
        static NONE: BTreeSet<(Key, Attempt)> = BTreeSet::new();
        let tokens = self
            .workers
            .get(&worker)
            .map_or(&NONE, |worker| &worker.leases);
        tokens
            .iter()
            .filter_map(|token| Some((*token, self.leases.get(token)?)))
    }

    pub(crate) fn touch(&mut self, entry: EntryKey) {
        self.dirty.change(entry);
    }
}

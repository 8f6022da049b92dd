//! The state as entries of the store: what changed, what it looks like now, and the way back.
//!
//! Values are in postcard. The store keeps them under the engine's format version; a change of
//! these structs is a change of that format.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Claim, DedupEntry, Extra, Group, Held, Lease, Pod, PollState, RequestEntry, State, Task, Timer,
    Unit, UnitPhase, Worker,
};
use crate::command::{Hello, OnLost};
use crate::id::{Attempt, GroupId, Key, PodId, TaskId, WorkerId};
use crate::limits::PRIORITY_MAX;
use crate::planted::{Bug, planted};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::run::RunId;
use crate::time::Timestamp;
use crate::token::TokenId;
use crate::workflow::WorkflowId;

/// Room for most entries of tasks and leases, so that writing one allocates once.
const ENTRY_BYTES: usize = 64;

/// The name of an entry. A restore needs entries in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum EntryKey {
    /// Counters and leadership.
    Meta,
    /// A group.
    Group(GroupId),
    /// A pod.
    Pod(PodId),
    /// A worker's session.
    Worker(WorkerId),
    /// A live task.
    Task(TaskId),
    /// A lease in force.
    Lease(Key, Attempt),
    /// The dedup key of an ended task, or of a run.
    Dedup(GroupId, u128),
    /// An answered call.
    Request(u128),
    /// A token.
    Token(TokenId),
    /// A workflow.
    Workflow(WorkflowId),
    /// A version of a workflow, by its number.
    Version(WorkflowId, u32),
    /// A live run.
    Run(RunId),
    /// Steps of a live run, some at a time.
    RunSteps(RunId, u32),
    /// The items of a fan-out.
    FanItems(RunId, u32),
    /// What a step returned, or an element of it.
    StepOutput(RunId, u32, u32),
    /// What is kept of a run that has ended. It is written once and never restored.
    Archive(RunId),
}

/// Entries that do not make a state.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreError {
    /// A value is not what its key says.
    #[error("entry {key:?} cannot be read: {cause}")]
    Unreadable {
        /// Which.
        key: EntryKey,
        /// What the decoder says.
        cause: postcard::Error,
    },
    /// An entry refers to one that is not there.
    #[error("entry {key:?} refers to {missing}, which is not there")]
    Dangling {
        /// Which.
        key: EntryKey,
        /// To what.
        missing: String,
    },
}

#[derive(Serialize, Deserialize)]
struct GroupEntry {
    name: String,
    max_running: Option<u32>,
    paused: bool,
    last_served: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
}

#[derive(Serialize, Deserialize)]
struct PodEntry {
    name: String,
    slots: u32,
    on_lost: OnLost,
    paused: bool,
    set: bool,
    held: Vec<Held>,
    empty_since: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct WorkerEntry {
    hello: Hello,
    pod: PodId,
    groups: Vec<GroupId>,
    attached: bool,
    draining: bool,
    since: Timestamp,
    last_used: u64,
    keys: Vec<u64>,
    poll: Option<PollState>,
}

#[derive(Serialize, Deserialize)]
struct TaskEntry {
    group: GroupId,
    policy: Policy,
    priority: u8,
    submitted_at: Timestamp,
    unit: Unit,
    claim: Option<Claim>,
    extra: Option<Extra>,
}

impl State {
    /// Entries that changed since the last call, each once, with what they are now; `None` for
    /// one that is gone. The caller stores them as of the last applied event.
    pub fn take_dirty(&mut self) -> Vec<(EntryKey, Option<Vec<u8>>)> {
        let mut entries = Vec::with_capacity(self.dirty.len());
        for key in self.dirty.changed() {
            match self.entry(key) {
                Some(value) => {
                    self.mark_stored(key);
                    entries.push((key, Some(value)));
                }
                // Tasks and leases that came and went unseen leave no trace; if the store has
                // them, they are among the removed.
                None if matches!(key, EntryKey::Task(_) | EntryKey::Lease(..)) => {}
                None => entries.push((key, None)),
            }
        }
        for key in self.dirty.removed() {
            if !self.has_entry(key) {
                entries.push((key, None));
            }
        }
        entries
    }

    /// Whether a task or a lease is there; nothing else is ever named as removed.
    fn has_entry(&self, key: EntryKey) -> bool {
        match key {
            EntryKey::Task(id) => self.tasks.get(id).is_some(),
            EntryKey::Lease(key, attempt) => self.leases.contains_key(&(key, attempt)),
            _ => self.entry(key).is_some(),
        }
    }

    /// How many changes wait for [`State::take_dirty`], repetitions included.
    pub fn dirty_len(&self) -> usize {
        self.dirty.len()
    }

    /// One entry as it is now.
    pub fn entry(&self, key: EntryKey) -> Option<Vec<u8>> {
        match key {
            EntryKey::Meta => encode(&self.meta),
            EntryKey::Group(id) => encode(&group_entry(self.group(id)?)),
            EntryKey::Pod(id) => encode(&pod_entry(self.pods.get(&id)?)),
            EntryKey::Worker(id) => encode(&worker_entry(self.workers.get(&id)?)),
            EntryKey::Task(id) => encode(&self.task_entry(id)?),
            EntryKey::Lease(key, attempt) => encode(&Lease {
                stored: false,
                ..self.leases.get(&(key, attempt))?.clone()
            }),
            EntryKey::Dedup(group, key) => encode(self.dedup.entry(group, key)?),
            EntryKey::Request(id) => encode(self.requests.entry(id)?),
            EntryKey::Token(id) => encode(self.tokens.get(&id)?),
            _ => self.run_entry(key),
        }
    }

    /// Every entry's name, in the order of a restore.
    pub fn entry_keys(&self) -> impl Iterator<Item = EntryKey> + '_ {
        std::iter::once(EntryKey::Meta)
            .chain((0..self.groups.len() as u32).map(|id| EntryKey::Group(GroupId(id))))
            .chain(self.pods.keys().map(|id| EntryKey::Pod(*id)))
            .chain(self.workers.keys().map(|id| EntryKey::Worker(*id)))
            .chain(self.tasks.iter().map(|(id, _)| EntryKey::Task(id)))
            .chain(
                self.leases
                    .keys()
                    .map(|(key, attempt)| EntryKey::Lease(*key, *attempt)),
            )
            .chain(
                self.dedup
                    .iter()
                    .map(|(group, key)| EntryKey::Dedup(group, key)),
            )
            .chain(self.requests.ids().map(EntryKey::Request))
            .chain(self.tokens.keys().copied().map(EntryKey::Token))
            .chain(self.run_entry_keys())
    }

    /// A number that two states share only if all their entries are equal (FNV-1a).
    pub fn hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for key in self.entry_keys() {
            let name = encode(&key).unwrap_or_default();
            let value = self.entry(key).unwrap_or_default();
            for byte in name.into_iter().chain(value) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash
    }

    /// Adds one entry to a state that is being restored, in the order of [`EntryKey`]; then
    /// [`State::finish_restore`] ends it.
    pub fn restore_entry(&mut self, key: EntryKey, value: &[u8]) -> Result<(), RestoreError> {
        match key {
            EntryKey::Meta => self.meta = decode(key, value)?,
            EntryKey::Group(id) => return self.restore_group(id, decode(key, value)?),
            EntryKey::Pod(id) => self.restore_pod(id, decode(key, value)?),
            EntryKey::Worker(id) => return self.restore_worker(id, decode(key, value)?),
            EntryKey::Task(id) => return self.restore_task(id, decode(key, value)?),
            EntryKey::Lease(task, attempt) => {
                return self.restore_lease((task, attempt), decode(key, value)?);
            }
            EntryKey::Dedup(group, hash) => {
                let entry: DedupEntry = decode(key, value)?;
                self.dedup.insert(group, hash, entry);
            }
            EntryKey::Request(id) => {
                let entry: RequestEntry = decode(key, value)?;
                self.requests.insert(id, entry);
            }
            EntryKey::Token(id) => {
                self.tokens.insert(id, decode(key, value)?);
            }
            _ => return self.restore_run_entry(key, value),
        }
        Ok(())
    }

    /// Derives what is not stored.
    pub fn finish_restore(&mut self) {
        self.finish_restoring_claims();
        self.finish_restoring_runs();
        for group in 0..self.groups.len() as u32 {
            self.refresh_group(GroupId(group));
        }
        let pods: Vec<PodId> = self.pods.keys().copied().collect();
        for pod in pods {
            self.refresh_pod(pod);
        }
    }

    fn mark_stored(&mut self, key: EntryKey) {
        match key {
            EntryKey::Task(id) => {
                if let Some(task) = self.tasks.get_mut(id) {
                    task.stored = true;
                }
            }
            EntryKey::Lease(key, attempt) => {
                if let Some(lease) = self.leases.get_mut(&(key, attempt)) {
                    lease.stored = true;
                }
            }
            EntryKey::Meta
            | EntryKey::Group(_)
            | EntryKey::Pod(_)
            | EntryKey::Worker(_)
            | EntryKey::Dedup(..)
            | EntryKey::Request(_)
            | EntryKey::Token(_)
            | EntryKey::Workflow(_)
            | EntryKey::Version(..)
            | EntryKey::Run(_)
            | EntryKey::RunSteps(..)
            | EntryKey::FanItems(..)
            | EntryKey::StepOutput(..) => {}
            EntryKey::Archive(id) => {
                self.runs.archives.remove(&id);
            }
        }
    }

    fn task_entry(&self, id: TaskId) -> Option<TaskEntry> {
        let (task, claim) = self.tasks.with_claim(id)?;
        let mut extra = task.extra.as_deref().cloned();
        if let Some(array) = extra.as_mut().and_then(|extra| extra.array.as_mut()) {
            array.live.values_mut().for_each(|unit| unit.skips = 0);
        }
        let mut unit = Unit {
            skips: 0,
            ..task.unit
        };
        if planted(Bug::AttemptsNotStored) {
            unit.attempts = 0;
        }
        Some(TaskEntry {
            group: task.group,
            policy: self.policies.get(task.policy),
            priority: task.priority,
            submitted_at: task.submitted_at,
            unit,
            claim,
            extra,
        })
    }

    /// A group's number is its place: none is ever forgotten.
    fn restore_group(&mut self, id: GroupId, entry: GroupEntry) -> Result<(), RestoreError> {
        let place = GroupId(self.groups.len() as u32);
        if id != place {
            return Err(RestoreError::Dangling {
                key: EntryKey::Group(id),
                missing: format!("{place:?}"),
            });
        }
        let mut group = Group::new(entry.name.clone());
        let forgets = planted(Bug::LimitForgottenAtRestart);
        group.max_running = entry.max_running.filter(|_| !forgets);
        group.paused = entry.paused;
        group.last_served = entry.last_served;
        group.succeeded = entry.succeeded;
        group.failed = entry.failed;
        group.cancelled = entry.cancelled;
        self.group_names.insert(entry.name, id);
        self.groups.push(group);
        Ok(())
    }

    fn restore_pod(&mut self, id: PodId, entry: PodEntry) {
        let mut pod = Pod::new(entry.name.clone(), entry.slots);
        pod.on_lost = entry.on_lost;
        pod.paused = entry.paused;
        pod.set = entry.set;
        pod.held = entry.held;
        pod.empty_since = entry.empty_since;
        if let Some(since) = pod.empty_since {
            self.timers
                .set(since + crate::limits::EMPTY_POD_KEPT, Timer::ForgetPod(id));
        }
        self.pod_names.insert(entry.name, id);
        self.pods.insert(id, pod);
    }

    fn restore_worker(&mut self, id: WorkerId, entry: WorkerEntry) -> Result<(), RestoreError> {
        let class = self.class_of(&entry.groups);
        let pod = self
            .pods
            .get_mut(&entry.pod)
            .ok_or_else(|| RestoreError::Dangling {
                key: EntryKey::Worker(id),
                missing: format!("{:?}", entry.pod),
            })?;
        pod.workers.insert(id);
        self.worker_names.insert(entry.hello.name.clone(), id);
        let worker = Worker {
            hello: entry.hello,
            pod: entry.pod,
            groups: entry.groups,
            class,
            attached: entry.attached,
            draining: entry.draining,
            since: entry.since,
            last_used: entry.last_used,
            keys: entry.keys.into(),
            poll: entry.poll,
            leases: Default::default(),
            indexed: None,
        };
        self.workers.insert(id, worker);
        Ok(())
    }

    fn restore_task(&mut self, id: TaskId, entry: TaskEntry) -> Result<(), RestoreError> {
        let key = EntryKey::Task(id);
        if self.group(entry.group).is_none() {
            return Err(RestoreError::Dangling {
                key,
                missing: format!("{:?}", entry.group),
            });
        }
        let policy = self.policies.acquire(&entry.policy);
        let task = Task {
            submitted_at: entry.submitted_at,
            group: entry.group,
            policy,
            priority: entry.priority,
            in_fresh: false,
            stored: true,
            unit: entry.unit,
            extra: entry.extra.map(Box::new),
        };
        self.place_restored(id, task);
        if let Some(claim) = entry.claim {
            self.restore_claim(id, claim);
        }
        Ok(())
    }

    /// Puts a restored task into the queues and timers that its entry implies.
    fn place_restored(&mut self, id: TaskId, mut task: Task) {
        self.arm_expiry(id, &task);
        let affine = u64::from(!task.affinity().is_empty());
        let group = &mut self.groups[task.group.0 as usize];
        let mut units = vec![(id.key(), task.unit)];
        if let Some(array) = task.array() {
            units = array
                .live
                .iter()
                .map(|(i, unit)| (id.element(*i), *unit))
                .collect();
            let untouched = array.untouched();
            if let UnitPhase::Scheduled { until, .. } = task.unit.phase {
                group.scheduled += untouched;
                self.timers.set(until.at(), Timer::Due(id.key()));
            } else if untouched > 0 {
                group.queued += untouched;
                let level = group.level_mut(task.priority);
                level.push_fresh(id);
                level.live += untouched;
                level.affine += affine * untouched;
                task.in_fresh = true;
            }
        }
        for (key, unit) in units {
            match unit.phase {
                UnitPhase::Queued(_) => {
                    group.queued += 1;
                    let turned = planted(Bug::PriorityInvertedAtRestart);
                    let level = group.level_mut(match turned {
                        true => PRIORITY_MAX + 1 - task.priority,
                        false => task.priority,
                    });
                    if let Some(link) = task.step() {
                        level.insert_step(key, link);
                    } else if key.index().is_none() {
                        level.push_fresh(id);
                        task.in_fresh = true;
                    } else {
                        level.insert_returned(key);
                    }
                    level.live += 1;
                    level.affine += affine;
                }
                UnitPhase::Scheduled { until, reason } => {
                    group.scheduled += 1;
                    if reason != Reason::Paused {
                        self.timers.set(until.at(), Timer::Due(key));
                    }
                }
                UnitPhase::Running => {}
            }
        }
        self.runs
            .restored
            .extend(task.step().map(|link| (id, link)));
        self.tasks.insert(id, task);
    }

    fn restore_lease(&mut self, token: (Key, Attempt), lease: Lease) -> Result<(), RestoreError> {
        let key = EntryKey::Lease(token.0, token.1);
        let missing = |missing: String| RestoreError::Dangling { key, missing };
        let worker = self.workers.get_mut(&lease.worker);
        let worker = worker.ok_or_else(|| missing(format!("{:?}", lease.worker)))?;
        worker.leases.insert(token);
        let pod = self.pods.get_mut(&lease.pod);
        pod.ok_or_else(|| missing(format!("{:?}", lease.pod)))?.used += 1;
        let group = self.groups.get_mut(lease.group.0 as usize);
        group
            .ok_or_else(|| missing(format!("{:?}", lease.group)))?
            .running += 1;
        if let Some(at) = lease.times_out_at {
            self.timers.set(at, Timer::Timeout(token.0, token.1));
        }
        self.leases.insert(
            token,
            Lease {
                stored: true,
                ..lease
            },
        );
        Ok(())
    }
}

fn group_entry(group: &Group) -> GroupEntry {
    GroupEntry {
        name: group.name.clone(),
        max_running: group.max_running,
        paused: group.paused,
        last_served: group.last_served,
        succeeded: group.succeeded,
        failed: group.failed,
        cancelled: group.cancelled,
    }
}

fn pod_entry(pod: &Pod) -> PodEntry {
    PodEntry {
        name: pod.name.clone(),
        slots: pod.slots,
        on_lost: pod.on_lost,
        paused: pod.paused,
        set: pod.set,
        held: pod.held.clone(),
        empty_since: pod.empty_since,
    }
}

fn worker_entry(worker: &Worker) -> WorkerEntry {
    WorkerEntry {
        hello: worker.hello.clone(),
        pod: worker.pod,
        groups: worker.groups.clone(),
        attached: worker.attached,
        draining: worker.draining,
        since: worker.since,
        last_used: worker.last_used,
        keys: worker.keys.iter().copied().collect(),
        poll: worker.poll.clone(),
    }
}

pub(super) fn encode<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    postcard::to_extend(value, Vec::with_capacity(ENTRY_BYTES)).ok()
}

pub(super) fn decode<T: DeserializeOwned>(key: EntryKey, value: &[u8]) -> Result<T, RestoreError> {
    postcard::from_bytes(value).map_err(|cause| RestoreError::Unreadable { key, cause })
}

#[cfg(test)]
mod tests {
    use super::super::Meta;
    use super::*;

    #[test]
    fn entries_come_in_the_order_of_a_restore() {
        let state = State::default();
        let keys: Vec<EntryKey> = state.entry_keys().collect();
        assert!(keys.is_sorted());
        let meta: Meta = decode(EntryKey::Meta, &state.entry(EntryKey::Meta).unwrap()).unwrap();
        assert_eq!(meta, Meta::default());
    }

    #[test]
    fn a_group_that_is_missing_before_another_is_noticed() {
        let group = encode(&group_entry(&Group::new("g".to_owned()))).unwrap();
        let second = EntryKey::Group(GroupId(1));
        let refused = State::default().restore_entry(second, &group);
        assert!(matches!(refused, Err(RestoreError::Dangling { key, .. }) if key == second));
        let mut whole = State::default();
        whole
            .restore_entry(EntryKey::Group(GroupId(0)), &group)
            .unwrap();
        assert_eq!(whole.restore_entry(second, &group), Ok(()));
    }
}

//! What can be seen of the state from outside.

use crate::command::OnLost;
use crate::id::{Attempt, GroupId, Key, PodId, TaskId, WorkerId};
use crate::reason::{Phase, Reason};
use crate::state::{State, Task, UnitPhase, Worker};
use crate::time::Timestamp;
use crate::token::{Token, TokenId};

/// A group and how many of its tasks are where; elements count one by one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// The bound on leases, if any.
    pub max_running: Option<u32>,
    /// Whether it is held back.
    pub paused: bool,
    /// Waiting for a worker.
    pub queued: u64,
    /// Waiting for a time.
    pub scheduled: u64,
    /// Leased.
    pub running: u32,
    /// Ended, since the namespace began.
    pub succeeded: u64,
    /// Ended, since the namespace began.
    pub failed: u64,
    /// Ended, since the namespace began.
    pub cancelled: u64,
}

/// A pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Attempts that may run in it at once.
    pub slots: u32,
    /// Leases in force in it.
    pub used: u32,
    /// Lost attempts that may still run in it, with the worker that had them.
    pub held: Vec<(Key, Attempt, String)>,
    /// What happens when a worker of it is lost.
    pub on_lost: OnLost,
    /// Whether it gets nothing new.
    pub paused: bool,
    /// Names of its workers.
    pub workers: Vec<String>,
}

/// A worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkerView {
    /// Its session.
    pub id: WorkerId,
    /// Its name.
    pub name: String,
    /// Its incarnation.
    pub incarnation: u128,
    /// Where it runs.
    pub host: String,
    /// Its build version.
    pub build: String,
    /// Its pod.
    pub pod: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// Attempts it can run at once.
    pub concurrency: u32,
    /// Whether it polls over REST.
    pub polling: bool,
    /// Whether it is connected.
    pub attached: bool,
    /// Whether it gets nothing new.
    pub draining: bool,
    /// Since when it has been known.
    pub since: Timestamp,
    /// Leases it holds.
    pub leases: Vec<(Key, Attempt)>,
}

/// A live task or element.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskView {
    /// Its group.
    pub group: String,
    /// Its state.
    pub phase: Phase,
    /// Why.
    pub reason: Reason,
    /// Its priority.
    pub priority: u8,
    /// Attempts made so far.
    pub attempts: u32,
    /// Until when it is scheduled.
    pub until: Option<Timestamp>,
}

impl State {
    /// All groups, in the order in which they were made.
    pub fn group_views(&self) -> Vec<GroupView> {
        (0..self.groups.len() as u32)
            .filter_map(|id| self.group_view(GroupId(id)))
            .collect()
    }

    /// The number of a group.
    pub fn group_id(&self, name: &str) -> Option<GroupId> {
        self.group_names.get(name).copied()
    }

    /// One group.
    pub fn group_view(&self, id: GroupId) -> Option<GroupView> {
        let group = self.group(id)?;
        Some(GroupView {
            name: group.name.clone(),
            max_running: group.max_running,
            paused: group.paused,
            queued: group.queued,
            scheduled: group.scheduled,
            running: group.running,
            succeeded: group.succeeded,
            failed: group.failed,
            cancelled: group.cancelled,
        })
    }

    /// All pods, by number.
    pub fn pod_views(&self) -> Vec<PodView> {
        self.pods
            .keys()
            .filter_map(|id| self.pod_view(*id))
            .collect()
    }

    /// The number of a pod.
    pub fn pod_id(&self, name: &str) -> Option<PodId> {
        self.pod_names.get(name).copied()
    }

    /// One pod.
    pub fn pod_view(&self, id: PodId) -> Option<PodView> {
        let pod = self.pods.get(&id)?;
        let name = |id: &WorkerId| Some(self.workers.get(id)?.hello.name.clone());
        Some(PodView {
            name: pod.name.clone(),
            slots: pod.slots,
            used: pod.used,
            held: pod
                .held
                .iter()
                .map(|h| (h.key, h.attempt, h.worker.clone()))
                .collect(),
            on_lost: pod.on_lost,
            paused: pod.paused,
            workers: pod.workers.iter().filter_map(name).collect(),
        })
    }

    /// All tokens, expired ones included.
    pub fn tokens(&self) -> impl Iterator<Item = (TokenId, &Token)> {
        self.tokens.iter().map(|(id, token)| (*id, token))
    }

    /// All workers, in the order in which they joined.
    pub fn worker_views(&self) -> Vec<WorkerView> {
        self.workers
            .iter()
            .map(|(id, worker)| self.view_worker(*id, worker))
            .collect()
    }

    /// The session of the worker that has a name now.
    pub fn worker_id(&self, name: &str) -> Option<WorkerId> {
        self.worker_names.get(name).copied()
    }

    /// One worker.
    pub fn worker_view(&self, id: WorkerId) -> Option<WorkerView> {
        Some(self.view_worker(id, self.workers.get(&id)?))
    }

    /// Who holds the lease of an attempt.
    pub fn lease_holder(&self, key: Key, attempt: Attempt) -> Option<WorkerId> {
        self.leases.get(&(key, attempt)).map(|lease| lease.worker)
    }

    /// Whether an attempt holds a lease whose task is still undecided.
    pub fn lease_is_current(&self, key: Key, attempt: Attempt) -> bool {
        self.leases
            .get(&(key, attempt))
            .is_some_and(|lease| !lease.revoked)
    }

    /// Every lease in force with its holder.
    pub fn lease_tokens(&self) -> impl Iterator<Item = (Key, Attempt, WorkerId)> + '_ {
        self.leases
            .iter()
            .map(|((key, attempt), lease)| (*key, *attempt, lease.worker))
    }

    /// The leases that a polling worker got by its last poll, when `poll` was that one.
    pub fn poll_leases(&self, worker: WorkerId, poll: u128) -> Vec<(Key, Attempt)> {
        let last = self
            .workers
            .get(&worker)
            .and_then(|worker| worker.poll.as_ref());
        last.filter(|last| last.id == poll)
            .map(|last| last.leases.clone())
            .unwrap_or_default()
    }

    fn view_worker(&self, id: WorkerId, worker: &Worker) -> WorkerView {
        let group = |id: &GroupId| Some(self.group(*id)?.name.clone());
        WorkerView {
            id,
            name: worker.hello.name.clone(),
            incarnation: worker.hello.incarnation,
            host: worker.hello.host.clone(),
            build: worker.hello.build.clone(),
            pod: self
                .pods
                .get(&worker.pod)
                .map(|pod| pod.name.clone())
                .unwrap_or_default(),
            groups: worker.groups.iter().filter_map(group).collect(),
            concurrency: worker.hello.concurrency,
            polling: worker.hello.polling,
            attached: worker.attached,
            draining: worker.draining,
            since: worker.since,
            leases: worker.leases.iter().copied().collect(),
        }
    }

    /// A live task or element; `None` when it has ended or never was. An array as a whole is
    /// running as soon as one element was touched.
    pub fn task_view(&self, key: Key) -> Option<TaskView> {
        let task = self.tasks.get(key.task())?;
        let phase = match (key.index(), task.array()) {
            (None, Some(array)) if array.next > 0 => UnitPhase::Running,
            (None, _) => task.unit.phase,
            (Some(index), _) if task.is_untouched(index) => task.unit.phase,
            (Some(index), _) => task.unit(Some(index))?.phase,
        };
        let attempts = task.unit(key.index()).map_or(0, |unit| unit.attempts);
        Some(self.view_task(task, phase, attempts))
    }

    /// Whether a task lives that is not an array.
    pub fn is_live_single(&self, task: TaskId) -> bool {
        let task = self.tasks.get(task);
        task.is_some_and(|task| task.array().is_none())
    }

    fn view_task(&self, task: &Task, phase: UnitPhase, attempts: u32) -> TaskView {
        let (phase, reason, until) = match phase {
            UnitPhase::Queued(reason) => (Phase::Queued, reason, None),
            // For its run, whenever that goes on.
            UnitPhase::Scheduled {
                reason: reason @ Reason::Paused,
                ..
            } => (Phase::Scheduled, reason, None),
            UnitPhase::Scheduled { until, reason } => (Phase::Scheduled, reason, Some(until.at())),
            UnitPhase::Running => (Phase::Running, Reason::None, None),
        };
        TaskView {
            group: self
                .group(task.group)
                .map(|group| group.name.clone())
                .unwrap_or_default(),
            phase,
            reason,
            priority: task.priority,
            attempts,
            until,
        }
    }
}

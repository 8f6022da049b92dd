//! Leases are given, start and end.

use crate::command::{Ended, Hello, OnLost, Outcome};
use crate::event::Next;
use crate::id::{Attempt, GroupId, Key, WorkerId};
use crate::limits;
use crate::planted::{Bug, planted};
use crate::state::{EntryKey, Held, Lease, State, Task, Timer, UnitPhase, place};
use crate::time::{Span, Timestamp};

/// How much longer than its timeout an attempt without a guard may hold its lease: its own report
/// of the timeout is to arrive first.
const TIMEOUT_GRACE: Span = Span::secs(10);

impl State {
    pub(super) fn leased(&mut self, at: Timestamp, key: Key, attempt: Attempt, id: WorkerId) {
        self.count_skips(key);
        self.unqueue(key);
        if key.index().is_none() {
            self.disarm_expiry(key.task());
        }
        let Some((group_id, policy)) = self.set_running(key, attempt) else {
            return;
        };
        self.meta.service += 1;
        let service = self.meta.service;
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        let task = self.tasks.get(key.task());
        if let Some(task) = task {
            worker.remember(task.affinity());
        }
        let step = task.and_then(Task::step);
        let step = step.map(|link| (link.run, link.step));
        worker.last_used = service;
        worker.leases.insert((key, attempt));
        if let Some(poll) = worker.poll.as_mut().filter(|poll| poll.credit > 0) {
            poll.credit -= 1;
            poll.leases.push((key, attempt));
        }
        let timeout = self
            .policies
            .get(policy)
            .timeout
            .filter(|_| worker.hello.polling);
        let times_out_at = timeout.map(|timeout| at + timeout + TIMEOUT_GRACE);
        if let Some(at) = times_out_at {
            self.timers.set(at, Timer::Timeout(key, attempt));
        }
        let pod_id = worker.pod;
        let lease = Lease {
            worker: id,
            pod: pod_id,
            group: group_id,
            since: at,
            started: false,
            revoked: false,
            times_out_at,
            step,
            stored: false,
        };
        self.leases.insert((key, attempt), lease);
        if let Some(group) = self.groups.get_mut(group_id.0 as usize) {
            group.running += 1;
            group.last_served = service;
        }
        let mut full = false;
        if let Some(pod) = self.pods.get_mut(&pod_id) {
            pod.used += 1;
            full = !pod.has_room();
        }
        self.refresh_group(group_id);
        match full {
            true => self.refresh_pod(pod_id),
            false => self.refresh_worker(id),
        }
        self.touch(EntryKey::Task(key.task()));
        self.touch(EntryKey::Lease(key, attempt));
        self.touch(EntryKey::Group(group_id));
        self.touch(EntryKey::Worker(id));
    }

    /// Marks a unit as running, and names its group and its policy.
    fn set_running(&mut self, key: Key, attempt: Attempt) -> Option<(GroupId, u32)> {
        let task = self.tasks.get_mut(key.task())?;
        // An array counts its skips as a whole.
        task.unit.skips = 0;
        if let Some(unit) = task.unit_mut(key.index()) {
            unit.phase = UnitPhase::Running;
            unit.attempts = attempt;
            unit.skips = 0;
        }
        Some((task.group, task.policy))
    }

    /// Those that wait longer than `key` and were passed over for it have been skipped once more.
    fn count_skips(&mut self, key: Key) {
        let Some(task) = self.tasks.get(key.task()) else {
            return;
        };
        let Some(level) = self
            .group(task.group)
            .and_then(|group| group.level(task.priority))
        else {
            return;
        };
        if level.affine == 0 || level.head(&self.tasks) == Some(key) {
            return;
        }
        let own = place(key, task);
        let passed: Vec<Key> = level
            .window(&self.tasks, limits::AFFINITY_LOOK_AHEAD)
            .filter(|(waiting, task)| place(*waiting, task) < own)
            .map(|(waiting, _)| waiting)
            .filter(|waiting| waiting.task() != key.task())
            .collect();
        for key in passed {
            let task = self.tasks.get_mut(key.task());
            if let Some(unit) = task.and_then(|task| match task.array().is_some() {
                true => Some(&mut task.unit),
                false => task.unit_mut(None),
            }) {
                unit.skips = unit.skips.saturating_add(1);
            }
        }
    }

    pub(super) fn started(&mut self, key: Key, attempt: Attempt) {
        if let Some(lease) = self.leases.get_mut(&(key, attempt)) {
            lease.started = true;
            self.touch(EntryKey::Lease(key, attempt));
        }
    }

    pub(super) fn attempt_ended(
        &mut self,
        at: Timestamp,
        token: (Key, Attempt),
        ended: Ended,
        outcome: &Outcome,
        next: Next,
    ) {
        let (key, _) = token;
        if let Some(unit) = self
            .tasks
            .get_mut(key.task())
            .and_then(|task| task.unit_mut(key.index()))
        {
            match outcome {
                Outcome::Failed { .. } => unit.failures = unit.failures.saturating_add(1),
                Outcome::Lost if planted(Bug::LostBudgetNotCounted) => {}
                Outcome::Lost => unit.lost = unit.lost.saturating_add(1),
                Outcome::Again { .. } if planted(Bug::AgainCountsAsFailure) => unit.failures += 1,
                Outcome::Succeeded | Outcome::Again { .. } | Outcome::Released => {}
            }
        }
        match next {
            Next::Over { phase, reason } => self.finish(key, (phase, reason), at),
            Next::Queued => self.enqueue(key, requeue_reason(outcome)),
            Next::Scheduled { until, reason } => self.schedule(key, until, reason),
        }
        self.touch(EntryKey::Task(key.task()));
        self.end_lease(at, token, ended);
    }

    /// Frees what a lease took. A lost lease in a pod that holds keeps its slot.
    pub(super) fn end_lease(&mut self, at: Timestamp, token: (Key, Attempt), ended: Ended) {
        let Some(lease) = self.leases.remove(&token) else {
            return;
        };
        if lease.stored {
            self.dirty.remove(EntryKey::Lease(token.0, token.1));
        }
        if let Some(at) = lease.times_out_at {
            self.timers.clear(at, Timer::Timeout(token.0, token.1));
        }
        if let Some(group) = self.groups.get_mut(lease.group.0 as usize) {
            let by = if planted(Bug::GroupCountDrifts) { 2 } else { 1 };
            group.running = group.running.saturating_sub(by);
        }
        if let Some(worker) = self.workers.get_mut(&lease.worker) {
            worker.leases.remove(&token);
        }
        let mut was_full = false;
        if let Some(pod) = self.pods.get_mut(&lease.pod) {
            was_full = !pod.has_room();
            pod.used = pod.used.saturating_sub(1);
            let holds = pod.on_lost == OnLost::Hold && !planted(Bug::HeldSlotFreedByExpiry);
            if ended == Ended::Lost && holds {
                let hello = self.workers.get(&lease.worker).map(|worker| &worker.hello);
                pod.held.push(held(token, at, hello));
                self.touch(EntryKey::Pod(lease.pod));
            }
        }
        self.refresh_group(lease.group);
        if was_full {
            self.refresh_pod(lease.pod);
        }
        // Also when the pod was full: the worker may have moved to another.
        self.refresh_worker(lease.worker);
        self.note_empty(lease.pod, at);
        self.touch(EntryKey::Group(lease.group));
    }
}

/// The slot of a lost attempt, with the worker that could say that its sandbox is gone.
fn held(token: (Key, Attempt), since: Timestamp, hello: Option<&Hello>) -> Held {
    let text = |get: fn(&Hello) -> &String| hello.map(get).cloned().unwrap_or_default();
    Held {
        key: token.0,
        attempt: token.1,
        worker: text(|hello| &hello.name),
        incarnation: hello.map_or(0, |hello| hello.incarnation),
        host: text(|hello| &hello.host),
        since,
    }
}

/// A lost attempt shows in what the task waits for.
fn requeue_reason(outcome: &Outcome) -> crate::reason::Reason {
    match outcome {
        Outcome::Lost => crate::reason::Reason::WorkerLost,
        Outcome::Failed { .. } => crate::reason::Reason::Backoff,
        Outcome::Succeeded | Outcome::Again { .. } | Outcome::Released => {
            crate::reason::Reason::None
        }
    }
}

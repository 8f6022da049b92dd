//! Every event: what it must not do, and what it changes.

use capataz_engine::{
    Accepted, Attempt, Change, Ended, Event, GroupId, Hello, Ids, Key, Next, OnLost, Outcome,
    Phase, PodId, PodSettings, Policy, Reason, Request, Span, TaskId, Timestamp, WorkerId,
};

use super::{Group, Lease, Model, Pod, Stand, Unit, Worker};

/// How long a key outlives its task.
const HOUR: Span = Span::secs(3_600);

impl Model {
    pub(crate) fn fold(&mut self, event: &Event) {
        let at = event.at;
        match &event.change {
            Change::Submitted {
                first,
                request,
                policies,
                tasks,
            } => {
                self.submitted(at, *first, request.as_ref(), policies, tasks);
            }
            Change::Due { key } => self.due(at, *key),
            Change::Leased {
                key,
                attempt,
                worker,
            } => self.leased(at, *key, *attempt, *worker),
            Change::Started {
                key,
                attempt,
                since,
            } => {
                assert_eq!(
                    self.units[key].stand,
                    Stand::Running(*attempt),
                    "starts what runs"
                );
                assert!(*since <= at, "nothing starts in the future");
            }
            Change::AttemptEnded {
                key,
                attempt,
                ended,
                outcome,
                next,
                ..
            } => {
                self.attempt_ended(at, (*key, *attempt), outcome, *next);
                self.end_lease((*key, *attempt), *ended);
            }
            Change::LeaseReleased {
                key,
                attempt,
                ended,
            } => {
                assert_ne!(
                    self.units[key].stand,
                    Stand::Running(*attempt),
                    "its task is decided"
                );
                self.end_lease((*key, *attempt), *ended);
            }
            Change::Closed {
                key, phase, reason, ..
            } => self.closed(at, *key, *phase, *reason),
            Change::Revived {
                key,
                attempts,
                rounds,
                priority,
                ..
            } => {
                self.revived(*key, *attempts, *rounds, *priority);
            }
            other => self.fold_place(other),
        }
    }

    fn submitted(
        &mut self,
        at: Timestamp,
        first: TaskId,
        request: Option<&(Request, Ids)>,
        policies: &[Policy],
        tasks: &[Accepted],
    ) {
        assert_eq!(
            first.0,
            self.next_task.max(1),
            "ids are handed out in order"
        );
        self.next_task = first.0 + tasks.len() as u64;
        if let Some((_, ids)) = request {
            assert!(
                ids.len() >= tasks.len(),
                "every task has an id in the answer"
            );
        }
        for (offset, Accepted { group, task }) in tasks.iter().enumerate() {
            let id = TaskId(first.0 + offset as u64);
            let waits = task.not_before.filter(|until| *until > at);
            let unit = Unit {
                group: *group,
                priority: task.priority,
                policy: policies[task.policy as usize],
                affinity: task.affinity.clone(),
                submitted_at: at,
                expires_at: task.expires_at,
                dedup: task.dedup.map(|(key, _)| key),
                stand: waits.map_or(Stand::Queued, Stand::Scheduled),
                attempts: 0,
                failures: 0,
                lost: 0,
                rounds: 0,
                ended_at: None,
            };
            if let Some((key, _)) = task.dedup {
                self.claim(at, (*group, key), id.key());
            }
            match task.count {
                None => drop(self.units.insert(id.key(), unit)),
                Some(count) => {
                    let keys = (0..count).map(|index| (id.element(index), unit.clone()));
                    self.units.extend(keys);
                }
            }
        }
    }

    /// A key stands for one task while that lives and an hour longer.
    fn claim(&mut self, at: Timestamp, key: (GroupId, u128), task: Key) {
        if let Some(before) = self.dedup.insert(key, task) {
            for unit in self.units_of(before) {
                let ended = self.units[&unit].ended_at;
                let is_free = ended.is_some_and(|ended| ended + HOUR <= at);
                // A task that a retry revived after its hour has lost its key for good.
                let was_revived = self.units[&unit].rounds > 0;
                assert!(is_free || was_revived, "{key:?} still stands for {before}");
            }
        }
    }

    fn due(&mut self, at: Timestamp, key: Key) {
        for key in self.units_of(key) {
            let unit = self.units.get_mut(&key).expect("units_of names units");
            if let Stand::Scheduled(until) = unit.stand {
                assert!(until <= at, "{key} is due too early");
                unit.stand = Stand::Queued;
            }
        }
    }

    fn leased(&mut self, at: Timestamp, key: Key, attempt: Attempt, worker: WorkerId) {
        self.check_lease(at, key, attempt, worker);
        self.service += 1;
        self.leased += 1;
        let unit = self.units.get_mut(&key).expect("checked");
        (unit.stand, unit.attempts) = (Stand::Running(attempt), attempt);
        let group = unit.group;
        let worker_entry = self.workers.get_mut(&worker).expect("checked");
        worker_entry.credit = worker_entry.credit.saturating_sub(1);
        worker_entry.last_used = self.service;
        let pod = worker_entry.pod;
        self.groups
            .get_mut(&group)
            .expect("a unit has a group")
            .last_served = self.service;
        self.leases
            .insert((key, attempt), Lease { worker, pod, group });
    }

    fn attempt_ended(&mut self, at: Timestamp, token: (Key, Attempt), how: &Outcome, next: Next) {
        let (key, attempt) = token;
        assert!(
            self.leases.contains_key(&token),
            "only what is leased can end: {token:?}"
        );
        let unit = self.units.get_mut(&key).expect("a lease has a unit");
        assert_eq!(
            unit.stand,
            Stand::Running(attempt),
            "{key} was decided before"
        );
        let expired = unit.expires_at.is_some_and(|expires| expires <= at);
        let over = match how {
            Outcome::Succeeded => true,
            Outcome::Failed { fatal, .. } => {
                unit.failures += 1;
                *fatal || expired || unit.failures >= unit.policy.max_attempts
            }
            Outcome::Lost => {
                unit.lost += 1;
                expired || unit.lost > unit.policy.max_lost
            }
            Outcome::Again { .. } | Outcome::Released => expired,
        };
        match next {
            Next::Over { phase, .. } => {
                assert!(over, "{key} has budget left after {how:?}");
                assert_eq!(phase == Phase::Succeeded, *how == Outcome::Succeeded);
                self.end(at, key, phase);
            }
            Next::Queued => {
                assert!(!over, "{key} goes on beyond its budget");
                unit.stand = Stand::Queued;
            }
            Next::Scheduled { until, .. } => {
                assert!(
                    !over && until >= at,
                    "{key} goes on beyond its budget, or in the past"
                );
                unit.stand = Stand::Scheduled(until);
            }
        }
    }

    fn end(&mut self, at: Timestamp, key: Key, phase: Phase) {
        let unit = self.units.get_mut(&key).expect("only a unit ends");
        assert!(
            !unit.is_over(),
            "{key} ended twice in round {}",
            unit.rounds + 1
        );
        assert!(!phase.is_live(), "an end is an end");
        (unit.stand, unit.ended_at) = (Stand::Ended(phase), Some(at));
        unit.rounds += 1;
        self.ended += 1;
        let group = self
            .groups
            .get_mut(&unit.group)
            .expect("a unit has a group");
        match phase {
            Phase::Succeeded => group.succeeded += 1,
            Phase::Failed => group.failed += 1,
            Phase::Cancelled => group.cancelled += 1,
            other => panic!("nothing ends as {other:?}"),
        }
    }

    fn end_lease(&mut self, token: (Key, Attempt), ended: Ended) {
        let lease = self.leases.remove(&token).expect("a lease ends once");
        let pod = self
            .pods
            .get_mut(&lease.pod)
            .expect("a pod with a lease is kept");
        if ended == Ended::Lost && pod.on_lost == OnLost::Hold {
            pod.held.insert(token);
        }
    }

    fn closed(&mut self, at: Timestamp, key: Key, phase: Phase, reason: Reason) {
        let expires = reason == Reason::Expired;
        for key in self.units_of(key) {
            let unit = &self.units[&key];
            if let Some(expires_at) = unit.expires_at.filter(|_| expires) {
                assert!(expires_at <= at, "{key} in time");
            }
            let runs = matches!(unit.stand, Stand::Running(_));
            let spared = expires && (runs || unit.expires_at.is_none());
            if !unit.is_over() && !spared {
                self.end(at, key, phase);
            }
        }
    }

    fn revived(&mut self, key: Key, attempts: u32, rounds: u32, priority: u8) {
        let leases = self.leases.keys().any(|(leased, _)| *leased == key);
        assert!(
            !leases,
            "{key} lives again while an attempt is on its way out"
        );
        let unit = self
            .units
            .get_mut(&key)
            .expect("only what was accepted lives again");
        assert!(unit.is_over(), "{key} is alive");
        assert_eq!((attempts, rounds), (unit.attempts, unit.rounds));
        (unit.stand, unit.ended_at) = (Stand::Queued, None);
        (unit.failures, unit.lost, unit.priority) = (0, 0, priority);
        unit.expires_at = None;
    }

    fn fold_place(&mut self, change: &Change) {
        match change {
            Change::EpochStarted { .. } => {
                for worker in self.workers.values_mut() {
                    worker.attached &= worker.polling;
                    worker.credit = 0;
                }
            }
            Change::GroupCreated { group, name } => {
                assert!(
                    self.groups.values().all(|known| known.name != *name),
                    "{name} twice"
                );
                let entry = Group {
                    name: name.clone(),
                    ..Group::default()
                };
                assert!(
                    self.groups.insert(*group, entry).is_none(),
                    "a number twice"
                );
            }
            Change::GroupSet {
                group,
                max_running,
                paused,
            } => {
                let group = self
                    .groups
                    .get_mut(group)
                    .expect("a group that was created");
                group.max_running = max_running.unwrap_or(group.max_running);
                group.paused = paused.unwrap_or(group.paused);
            }
            Change::PodCreated { pod, name, slots } => {
                assert!(
                    self.pods.values().all(|known| known.name != *name),
                    "{name} twice"
                );
                let (slots, name) = (*slots, name.clone());
                let held = Default::default();
                let entry = Pod {
                    name,
                    slots,
                    on_lost: OnLost::Time,
                    paused: false,
                    held,
                };
                assert!(self.pods.insert(*pod, entry).is_none(), "a number twice");
            }
            Change::PodSet { pod, settings } => self.pod_set(*pod, settings),
            Change::PodReleased { pod } => self.pods.get_mut(pod).expect("a pod").held.clear(),
            Change::SlotReleased { pod, key, attempt } => {
                let pod = self.pods.get_mut(pod).expect("a pod");
                assert!(
                    pod.held.remove(&(*key, *attempt)),
                    "only a held slot is released"
                );
            }
            Change::PodForgotten { pod } => {
                assert_eq!(self.leases_in(*pod), 0, "a pod with leases is kept");
                assert!(self.workers.values().all(|worker| worker.pod != *pod));
                let gone = self.pods.remove(pod).expect("a pod is forgotten once");
                assert!(gone.held.is_empty(), "a held pod is kept");
            }
            other => self.fold_worker(other),
        }
    }

    fn pod_set(&mut self, pod: PodId, settings: &PodSettings) {
        let pod = self.pods.get_mut(&pod).expect("a pod that was created");
        pod.slots = settings.slots.unwrap_or(pod.slots);
        pod.on_lost = settings.on_lost.unwrap_or(pod.on_lost);
        pod.paused = settings.paused.unwrap_or(pod.paused);
    }

    fn fold_worker(&mut self, change: &Change) {
        match change {
            Change::Joined {
                worker,
                pod,
                groups,
                hello,
            } => {
                self.joined(*worker, *pod, groups, hello);
            }
            Change::Detached { worker } => self.worker(*worker).attached = false,
            Change::Left { worker, .. } => {
                assert_eq!(self.held_by(*worker), 0, "who leaves holds nothing");
                assert!(
                    self.workers.remove(worker).is_some(),
                    "a worker leaves once"
                );
            }
            Change::PollOpened { worker, max, .. } => {
                let worker = self.worker(*worker);
                (worker.credit, worker.attached) = (*max, true);
            }
            Change::PollClosed { worker } => self.worker(*worker).credit = 0,
            Change::Announced { .. } | Change::Answered { .. } | Change::TermRenewed => {}
            Change::TokenCreated { id, .. } => {
                assert!(self.tokens.insert(*id), "a token's number twice");
            }
            Change::TokenRevoked { id } => {
                assert!(self.tokens.remove(id), "a token is revoked once");
            }
            Change::DrainSet { worker, on } => self.worker(*worker).draining = *on,
            other => panic!("no model of {other:?}"),
        }
    }

    fn joined(&mut self, id: WorkerId, pod: PodId, groups: &[GroupId], hello: &Hello) {
        let name = hello.name.clone();
        let taken = self
            .workers
            .iter()
            .any(|(known, worker)| *known != id && worker.name == name);
        assert!(!taken, "one session a name");
        assert!(self.pods.contains_key(&pod), "a worker has a pod");
        let before = self.workers.get(&id);
        let polled = before.filter(|before| before.polling && hello.polling);
        let worker = Worker {
            name,
            pod,
            groups: groups.to_vec(),
            attached: true,
            draining: before.is_some_and(|before| before.draining),
            polling: hello.polling,
            concurrency: hello.concurrency,
            credit: polled.map_or(0, |before| before.credit),
            last_used: before.map_or(0, |before| before.last_used),
        };
        self.workers.insert(id, worker);
    }

    fn worker(&mut self, id: WorkerId) -> &mut Worker {
        self.workers.get_mut(&id).expect("a worker that joined")
    }
}

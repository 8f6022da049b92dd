//! Workers and pods come and go.

use crate::command::{Hello, PodSettings};
use crate::id::{Attempt, GroupId, Key, PodId, WorkerId};
use crate::limits;
use crate::state::{EntryKey, Pod, PollState, State, Timer, Worker};
use crate::time::Timestamp;

impl State {
    pub(super) fn joined(
        &mut self,
        at: Timestamp,
        id: WorkerId,
        pod: PodId,
        groups: &[GroupId],
        hello: &Hello,
    ) {
        self.unindex_worker(id);
        let class = self.class_of(groups);
        let before = self.workers.remove(&id);
        if let Some(moved) = before.as_ref().filter(|before| before.pod != pod) {
            if let Some(entry) = self.pods.get_mut(&moved.pod) {
                entry.workers.remove(&id);
            }
            self.note_empty(moved.pod, at);
        }
        let announced = hello.affinity.iter().copied();
        let mut keys = announced.take(limits::AFFINITY_KEYS).collect();
        // A session that goes on after a break goes on where it was.
        let (mut last_used, mut leases, mut draining, mut poll) = Default::default();
        let mut since = at;
        if let Some(before) = before {
            (since, last_used, leases) = (before.since, before.last_used, before.leases);
            draining = before.draining;
            let polls = before.hello.polling && hello.polling;
            poll = before.poll.filter(|_| polls);
            if hello.affinity.is_empty() && hello.remember > 0 {
                keys = before.keys;
            }
        }
        let worker = Worker {
            hello: Hello {
                running: Vec::new(),
                ..hello.clone()
            },
            pod,
            groups: groups.to_vec(),
            class,
            attached: true,
            draining,
            since,
            last_used,
            keys,
            poll,
            leases,
            indexed: None,
        };
        self.workers.insert(id, worker);
        self.worker_names.insert(hello.name.clone(), id);
        self.meta.next_worker = self.meta.next_worker.max(id.0.saturating_add(1));
        if let Some(entry) = self.pods.get_mut(&pod) {
            entry.workers.insert(id);
            if let Some(since) = entry.empty_since.take() {
                self.timers
                    .clear(since + limits::EMPTY_POD_KEPT, Timer::ForgetPod(pod));
            }
        }
        self.refresh_worker(id);
        self.touch(EntryKey::Worker(id));
        self.touch(EntryKey::Pod(pod));
    }

    pub(super) fn detach(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.attached = false;
            self.refresh_worker(id);
            self.touch(EntryKey::Worker(id));
        }
    }

    pub(super) fn detach_all(&mut self) {
        let workers: Vec<WorkerId> = self.workers.keys().copied().collect();
        for worker in workers {
            // A polling worker has no connection to lose; its poll is gone with the old leader.
            match self
                .workers
                .get(&worker)
                .is_some_and(|worker| worker.hello.polling)
            {
                true => self.close_poll(worker),
                false => self.detach(worker),
            }
        }
    }

    pub(super) fn left(&mut self, at: Timestamp, id: WorkerId) {
        self.unindex_worker(id);
        let Some(worker) = self.workers.remove(&id) else {
            return;
        };
        if self.worker_names.get(&worker.hello.name) == Some(&id) {
            self.worker_names.remove(&worker.hello.name);
        }
        self.touch(EntryKey::Worker(id));
        if let Some(pod) = self.pods.get_mut(&worker.pod) {
            pod.workers.remove(&id);
        }
        self.note_empty(worker.pod, at);
    }

    pub(super) fn open_poll(&mut self, id: WorkerId, poll: u128, max: u32) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.poll = Some(PollState {
            id: poll,
            credit: max,
            leases: Vec::new(),
        });
        // Whoever polls is there.
        worker.attached = true;
        self.refresh_worker(id);
        self.touch(EntryKey::Worker(id));
    }

    pub(super) fn close_poll(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        if let Some(poll) = worker.poll.as_mut() {
            poll.credit = 0;
        }
        self.refresh_worker(id);
        self.touch(EntryKey::Worker(id));
    }

    pub(super) fn announced(&mut self, id: WorkerId, keys: &[u64]) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.keys = keys.iter().copied().take(limits::AFFINITY_KEYS).collect();
        self.touch(EntryKey::Worker(id));
    }

    pub(super) fn set_drain(&mut self, id: WorkerId, on: bool) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.draining = on;
        self.refresh_worker(id);
        self.touch(EntryKey::Worker(id));
    }

    pub(super) fn create_pod(&mut self, id: PodId, name: &str, slots: u32, at: Timestamp) {
        self.pod_names.insert(name.to_owned(), id);
        self.pods.insert(id, Pod::new(name.to_owned(), slots));
        self.meta.next_pod = self.meta.next_pod.max(id.0.saturating_add(1));
        self.note_empty(id, at);
    }

    pub(super) fn set_pod(&mut self, id: PodId, settings: &PodSettings, at: Timestamp) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.slots = settings.slots.unwrap_or(pod.slots);
        pod.on_lost = settings.on_lost.unwrap_or(pod.on_lost);
        pod.paused = settings.paused.unwrap_or(pod.paused);
        pod.set |= settings.slots.is_some() || settings.on_lost.is_some();
        if let Some(since) = pod.empty_since.take_if(|_| pod.set || pod.paused) {
            self.timers
                .clear(since + limits::EMPTY_POD_KEPT, Timer::ForgetPod(id));
        }
        self.refresh_pod(id);
        self.note_empty(id, at);
    }

    pub(super) fn release_pod(&mut self, id: PodId, at: Timestamp) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.held.clear();
        self.refresh_pod(id);
        self.note_empty(id, at);
    }

    pub(super) fn release_slot(&mut self, id: PodId, token: (Key, Attempt), at: Timestamp) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.held.retain(|held| (held.key, held.attempt) != token);
        self.refresh_pod(id);
        self.note_empty(id, at);
    }

    pub(super) fn forget_pod(&mut self, id: PodId) {
        let Some(pod) = self.pods.remove(&id) else {
            return;
        };
        if let Some(since) = pod.empty_since {
            self.timers
                .clear(since + limits::EMPTY_POD_KEPT, Timer::ForgetPod(id));
        }
        if self.pod_names.get(&pod.name) == Some(&id) {
            self.pod_names.remove(&pod.name);
        }
        self.touch(EntryKey::Pod(id));
    }

    /// Starts the hour after which an empty pod is forgotten.
    pub(super) fn note_empty(&mut self, id: PodId, at: Timestamp) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        if pod.is_forgettable() && pod.empty_since.is_none() {
            pod.empty_since = Some(at);
            self.timers
                .set(at + limits::EMPTY_POD_KEPT, Timer::ForgetPod(id));
        }
        self.touch(EntryKey::Pod(id));
    }
}

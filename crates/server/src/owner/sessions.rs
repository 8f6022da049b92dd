//! The connections of this leader's workers.

use std::collections::BTreeMap;

use capataz_engine::WorkerId;
use capataz_engine::planted::{Bug, planted};

use super::{Session, SessionMessage};

/// Sessions by worker.
#[derive(Default)]
pub(crate) struct Sessions {
    attached: BTreeMap<WorkerId, Session>,
    /// The number of each worker's latest session, which is attached once its join is durable.
    latest: BTreeMap<WorkerId, u64>,
    /// Each worker's incarnation, and which of its process's connections has said hello last.
    processes: BTreeMap<WorkerId, (u128, u64)>,
}

impl Sessions {
    /// A session has joined; messages go to it when it is attached.
    pub(crate) fn announce(&mut self, worker: WorkerId, session: u64, process: (u128, u64)) {
        self.latest.insert(worker, session);
        self.processes.insert(worker, process);
    }

    /// Whether the same process has said hello on a later connection already: what the one that
    /// comes now says of it is out of date.
    pub(crate) fn is_late(&self, worker: WorkerId, (incarnation, connection): (u128, u64)) -> bool {
        let last = self.processes.get(&worker);
        let counts = connection > 0 && !planted(Bug::LateHelloHeard);
        counts && last.is_some_and(|last| last.0 == incarnation && last.1 > connection)
    }

    pub(crate) fn attach(&mut self, worker: WorkerId, session: Session) {
        self.attached.insert(worker, session);
    }

    /// Removes the session; says whether the worker is without one now. It is not when a later one
    /// has joined, attached or not.
    pub(crate) fn detach(&mut self, worker: WorkerId, session: u64) -> bool {
        if self.is_current(worker, session) {
            self.attached.remove(&worker);
        }
        let latest = self.latest.get(&worker) == Some(&session);
        if latest {
            self.latest.remove(&worker);
        }
        latest
    }

    pub(crate) fn remove(&mut self, worker: WorkerId) {
        self.latest.remove(&worker);
        self.attached.remove(&worker);
        self.processes.remove(&worker);
    }

    pub(crate) fn is_current(&self, worker: WorkerId, session: u64) -> bool {
        self.attached
            .get(&worker)
            .is_some_and(|attached| attached.number == session)
    }

    /// Whether a heartbeat of the session counts. Once a later one has joined it does not: the answer
    /// would go to that one, whose worker would take it for one to a heartbeat of its own.
    pub(crate) fn may_renew(&self, worker: WorkerId, session: u64) -> bool {
        self.is_current(worker, session) && self.latest.get(&worker) == Some(&session)
    }

    /// Tells a worker something; without a connection it is told when it attaches.
    pub(crate) fn send(&self, worker: WorkerId, message: SessionMessage) {
        if let Some(session) = self.attached.get(&worker) {
            (session.send)(message);
        }
    }
}

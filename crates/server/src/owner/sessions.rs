//! The connections of this leader's workers.

use std::collections::BTreeMap;

use capataz_engine::WorkerId;

use super::{Session, SessionMessage};

/// Sessions by worker.
#[derive(Default)]
pub(crate) struct Sessions {
    attached: BTreeMap<WorkerId, Session>,
    /// The number of each worker's latest session, which is attached once its join is durable.
    latest: BTreeMap<WorkerId, u64>,
}

impl Sessions {
    /// A session has joined; messages go to it when it is attached.
    pub(crate) fn announce(&mut self, worker: WorkerId, session: u64) {
        self.latest.insert(worker, session);
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

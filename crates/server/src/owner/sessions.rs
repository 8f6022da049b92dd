//! The connections of this leader's workers.

use std::collections::BTreeMap;

use capataz_engine::WorkerId;

use super::{Session, SessionMessage};

/// Sessions by worker.
#[derive(Default)]
pub(crate) struct Sessions {
    attached: BTreeMap<WorkerId, Session>,
}

impl Sessions {
    pub(crate) fn attach(&mut self, worker: WorkerId, session: Session) {
        self.attached.insert(worker, session);
    }

    /// Removes the session if it is still the worker's current one.
    pub(crate) fn detach(&mut self, worker: WorkerId, session: u64) -> bool {
        let current = self.is_current(worker, session);
        if current {
            self.attached.remove(&worker);
        }
        current
    }

    pub(crate) fn remove(&mut self, worker: WorkerId) {
        self.attached.remove(&worker);
    }

    pub(crate) fn is_current(&self, worker: WorkerId, session: u64) -> bool {
        self.attached
            .get(&worker)
            .is_some_and(|attached| attached.number == session)
    }

    /// Tells a worker something; without a connection it is told when it attaches.
    pub(crate) fn send(&self, worker: WorkerId, message: SessionMessage) {
        if let Some(session) = self.attached.get(&worker) {
            (session.send)(message);
        }
    }
}

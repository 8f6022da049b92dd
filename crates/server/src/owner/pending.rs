//! What waits for durability. Nothing in here has been seen by anybody.

use std::collections::VecDeque;
use std::time::Duration;

use capataz_engine::WorkerId;
use capataz_journal::Position;

use super::{Session, SessionMessage};
use crate::store::Batch;

/// Something that leaves the owner once what it was computed from is durable.
pub(crate) enum Release {
    /// Runs a reply.
    Call(Box<dyn FnOnce() + Send>),
    /// A session becomes the worker's current one.
    Attach(WorkerId, Session),
    /// A worker is told something.
    Tell(WorkerId, SessionMessage),
    /// A worker is gone for good.
    Forget(WorkerId),
}

impl Release {
    /// Whether it makes a session a worker's current one.
    pub(crate) fn is_attach(&self) -> bool {
        matches!(self, Release::Attach(..))
    }
}

/// One record on its way, or entries that wait behind it.
pub(crate) struct Pending {
    pub(crate) end: Position,
    /// When it was handed to the journal, in monotonic time; `None` for entries without a record.
    pub(crate) sent_at: Option<Duration>,
    pub(crate) batch: Option<Batch>,
    pub(crate) releases: Vec<Release>,
}

/// Records on their way, oldest first.
#[derive(Default)]
pub(crate) struct PendingQueue {
    queue: VecDeque<Pending>,
}

impl PendingQueue {
    pub(crate) fn push(&mut self, pending: Pending) {
        self.queue.push_back(pending);
    }

    pub(crate) fn last_mut(&mut self) -> Option<&mut Pending> {
        self.queue.back_mut()
    }

    /// When the newest record was handed to the journal.
    pub(crate) fn last_sent_at(&self) -> Option<Duration> {
        self.queue.iter().rev().find_map(|pending| pending.sent_at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Takes the oldest if it is durable.
    pub(crate) fn pop_durable(&mut self, durable: Position) -> Option<Pending> {
        match self.queue.front() {
            Some(pending) if pending.end <= durable => self.queue.pop_front(),
            _ => None,
        }
    }
}

//! Task specs that are at hand: all those the store does not have yet, and as many others as fit.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use capataz_engine::TaskId;
use capataz_journal::Position;

/// Bytes of specs kept although the store has them: dispatch then needs no read.
const KEPT_BYTES: usize = 128 << 20;
/// What one entry costs beside its bytes.
const ENTRY_BYTES: usize = 96;

/// Specs of live tasks by task.
#[derive(Default)]
pub(crate) struct Bodies {
    bodies: HashMap<TaskId, Bytes>,
    bytes: usize,
    /// Tasks over the bound, which are dropped when the store has them.
    excess: VecDeque<(Position, TaskId)>,
}

impl Bodies {
    /// Keeps the spec of a task that is recorded below `position`.
    pub(crate) fn insert(&mut self, task: TaskId, body: &Bytes, position: Position) {
        if self.bytes >= KEPT_BYTES {
            self.excess.push_back((position, task));
        }
        self.bytes += body.len() + ENTRY_BYTES;
        // A copy: a slice would keep the whole request that it came with.
        self.bodies.insert(task, Bytes::copy_from_slice(body));
    }

    pub(crate) fn get(&self, task: TaskId) -> Option<Bytes> {
        self.bodies.get(&task).cloned()
    }

    pub(crate) fn remove(&mut self, task: TaskId) {
        if let Some(body) = self.bodies.remove(&task) {
            self.bytes = self.bytes.saturating_sub(body.len() + ENTRY_BYTES);
        }
    }

    /// The store has everything below `position`.
    pub(crate) fn projected(&mut self, position: Position) {
        while let Some((end, task)) = self.excess.front().copied() {
            if end > position {
                break;
            }
            self.excess.pop_front();
            self.remove(task);
        }
    }
}

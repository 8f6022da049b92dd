//! Registered workflows as they were when a run of them was last started, so that the next start
//! need not ask the owner and the store again.
//!
//! What is here may be old: the engine starts no run of what is not registered any more. Nothing
//! here decides anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use capataz_journal::Position;

/// Workflows that are remembered; one more, and they are all looked up again.
const WORKFLOWS: usize = 1_024;
/// Steps of a workflow whose durations are remembered: to start a run of more costs more than to
/// look them up.
const STEPS: usize = 1_024;

/// What is known of registered workflows, by name.
#[derive(Default)]
pub(super) struct KnownWorkflows {
    known: Mutex<HashMap<String, Known>>,
}

/// A registered workflow.
#[derive(Clone)]
pub(super) struct Known {
    /// The number of the version that new runs follow.
    pub(super) number: u32,
    /// The hash of its definition.
    pub(super) content: u128,
    /// How long its steps take, in milliseconds, as the store shows at a position.
    pub(super) expected: Option<(Position, Arc<[u32]>)>,
}

impl KnownWorkflows {
    pub(super) fn get(&self, name: &str) -> Option<Known> {
        self.lock().get(name).cloned()
    }

    pub(super) fn remember(&self, name: &str, known: Known) {
        let mut all = self.lock();
        if all.len() >= WORKFLOWS {
            all.clear();
        }
        all.insert(name.to_owned(), known);
    }

    pub(super) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    /// How long the steps of that definition take, if that was looked up at that position.
    pub(super) fn expected(&self, name: &str, content: u128, at: Position) -> Option<Arc<[u32]>> {
        let all = self.lock();
        let known = all.get(name).filter(|known| known.content == content)?;
        let (shown, expected) = known.expected.as_ref()?;
        (*shown == at).then(|| Arc::clone(expected))
    }

    pub(super) fn expect(&self, name: &str, content: u128, at: Position, expected: &Arc<[u32]>) {
        let mut all = self.lock();
        let known = all.get_mut(name).filter(|known| known.content == content);
        if let Some(known) = known.filter(|_| expected.len() <= STEPS) {
            known.expected = Some((at, Arc::clone(expected)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // A panic with the lock would leave a map, which is still one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

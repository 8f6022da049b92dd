//! The queue of one group at one priority.
//!
//! Tasks that wait for their first attempt stand in `fresh`, in accept order, eight bytes each.
//! Those that come back (a retry, a delay that is over) stand in `returned`, sorted; a delayed
//! array stands there under its own key, for all its untouched elements. Tasks of steps stand in
//! `steps`, in the place of their run. A task that
//! leaves from the middle of `fresh` leaves its place behind, which is skipped later: the front
//! is always a task that waits.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};

use super::{StepLink, Task, TaskTable};
use crate::id::{Key, TaskId};
use crate::planted::{Bug, planted};

/// Ids in one piece of the queue: growing never copies more than the list of pieces.
const PIECE: usize = 1_024;

/// A first-in, first-out queue that grows without copying what is in it.
#[derive(Default)]
struct Fifo {
    pieces: VecDeque<VecDeque<TaskId>>,
}

impl Fifo {
    fn push(&mut self, id: TaskId) {
        match self
            .pieces
            .back_mut()
            .filter(|piece| piece.len() < piece.capacity())
        {
            Some(piece) => piece.push_back(id),
            None => {
                // The first piece starts small: most groups of a large namespace are short.
                let capacity = if self.pieces.is_empty() { 8 } else { PIECE };
                let mut piece = VecDeque::with_capacity(capacity);
                piece.push_back(id);
                self.pieces.push_back(piece);
            }
        }
    }

    fn front(&self) -> Option<TaskId> {
        self.pieces.front()?.front().copied()
    }

    fn pop(&mut self) {
        if let Some(piece) = self.pieces.front_mut() {
            piece.pop_front();
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = TaskId> {
        self.pieces.iter().flatten().copied()
    }
}

/// The place of a unit in accept order: its own, or for the task of a step that of its run, and in
/// it the longest path that hangs on it first.
pub(crate) type Place = (TaskId, Reverse<u32>, Key);

/// One priority of one group.
#[derive(Default)]
pub(crate) struct Level {
    fresh: Fifo,
    returned: BTreeSet<Key>,
    /// Tasks of steps.
    steps: BTreeSet<Place>,
    /// Units that wait here: an array counts its untouched elements.
    pub(crate) live: u64,
    /// Those of them that have affinity keys.
    pub(crate) affine: u64,
}

impl Level {
    pub(crate) fn push_fresh(&mut self, id: TaskId) {
        self.fresh.push(id);
    }

    pub(crate) fn insert_returned(&mut self, key: Key) {
        self.returned.insert(key);
    }

    /// Whether the unit stood among those that came back.
    pub(crate) fn remove_returned(&mut self, key: Key) -> bool {
        self.returned.remove(&key)
    }

    pub(crate) fn insert_step(&mut self, key: Key, link: StepLink) {
        self.steps.insert(step_place(key, link));
    }

    pub(crate) fn remove_step(&mut self, key: Key, link: StepLink) {
        self.steps.remove(&step_place(key, link));
    }

    /// Restores the rule that the front of `fresh` waits.
    pub(crate) fn settle(&mut self, tasks: &TaskTable) {
        while let Some(id) = self.fresh.front() {
            if tasks.get(id).and_then(|task| fresh_key(id, task)).is_some() {
                break;
            }
            self.fresh.pop();
        }
    }

    /// The unit that has waited longest.
    pub(crate) fn head(&self, tasks: &TaskTable) -> Option<Key> {
        let fresh = self
            .fresh
            .front()
            .and_then(|id| fresh_key(id, tasks.get(id)?));
        let single = match (fresh, self.returned_head(tasks)) {
            (Some(fresh), Some(_)) if planted(Bug::RetriesGoLast) => Some(fresh),
            (Some(fresh), Some(returned)) => Some(fresh.min(returned)),
            (fresh, returned) => fresh.or(returned),
        };
        let Some((run, _, step)) = self.steps.first() else {
            return single;
        };
        Some(single.filter(|key| *key < run.key()).unwrap_or(*step))
    }

    /// An array that came back sorts before its elements that did, but the next of its untouched
    /// ones comes after them: so two places are looked at.
    fn returned_head(&self, tasks: &TaskTable) -> Option<Key> {
        self.returned_units(tasks).take(2).map(|(key, _)| key).min()
    }

    fn returned_units<'a>(&'a self, tasks: &'a TaskTable) -> impl Iterator<Item = (Key, &'a Task)> {
        self.returned.iter().filter_map(|key| {
            let task = tasks.get(key.task())?;
            Some((returned_key(*key, task)?, task))
        })
    }

    /// The first `limit` waiting units of either part, each part in accept order.
    pub(crate) fn window<'a>(
        &'a self,
        tasks: &'a TaskTable,
        limit: usize,
    ) -> impl Iterator<Item = (Key, &'a Task)> {
        let returned = self.returned_units(tasks).take(limit);
        let fresh = self
            .fresh
            .iter()
            // Places left behind are passed over, but only so many: the scan stays bounded.
            .take(limit * 4)
            .filter_map(|id| {
                let task = tasks.get(id)?;
                Some((fresh_key(id, task)?, task))
            })
            .take(limit);
        let steps = self.steps.iter().take(limit);
        let steps = steps.filter_map(|(_, _, key)| Some((*key, tasks.get(key.task())?)));
        returned.chain(fresh).chain(steps)
    }

    /// How many units stand before a place, of at most `most` that are looked at. An array counts its
    /// untouched elements.
    pub(crate) fn before(&self, place: Place, tasks: &TaskTable, most: u64) -> u64 {
        let units = self.window(tasks, most as usize);
        let earlier = units.filter(|(key, task)| self::place(*key, task) < place);
        let count = |(key, task): (Key, &Task)| match task.array() {
            Some(array) if key.index() == Some(array.next) => {
                let own = place.2.index().filter(|_| key.task() == place.2.task());
                own.map_or(array.untouched(), |own| u64::from(own - array.next))
            }
            _ => 1,
        };
        earlier.map(count).sum::<u64>().min(most)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }
}

fn step_place(key: Key, link: StepLink) -> Place {
    (TaskId(link.run.0), Reverse(link.rank), key)
}

/// The place of a unit that waits.
pub(crate) fn place(key: Key, task: &Task) -> Place {
    match task.step() {
        Some(link) => step_place(key, link),
        None => (key.task(), Reverse(0), key),
    }
}

/// What stands for a task in `fresh`: itself, or the next element of an array; `None` when it has
/// left its place.
fn fresh_key(id: TaskId, task: &Task) -> Option<Key> {
    match task.array() {
        _ if !task.in_fresh => None,
        None => task.unit.is_queued().then(|| id.key()),
        Some(array) => (array.next < array.count).then(|| id.element(array.next)),
    }
}

/// What stands for a key in `returned`: itself, or the next element of an array.
fn returned_key(key: Key, task: &Task) -> Option<Key> {
    match (key.index(), task.array()) {
        (None, Some(array)) => (array.next < array.count).then(|| key.task().element(array.next)),
        _ => Some(key),
    }
}

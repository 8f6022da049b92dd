//! The store as a model: entries at a position, what clients look up, and what a power cut leaves.
//!
//! It stands for the SQLite store behind its batches; it does not project history.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use capataz_engine::{
    Change, EntryKey, GroupId, Key, Next, RestoreError, Revival, State, TaskId, Timestamp,
};
use capataz_journal::Position;
use capataz_server::convert;
use capataz_server::store::Batch;
use prost::Message;

use crate::chance::Chance;
use crate::mutant::Mutant;

/// What is known of a task when the engine has forgotten it.
#[derive(Clone, Debug)]
struct Row {
    group: GroupId,
    priority: u8,
    submitted_at: Timestamp,
    attempts: u32,
    rounds: u32,
    over: bool,
}

#[derive(Clone, Debug, Default)]
struct Image {
    position: Position,
    entries: BTreeMap<EntryKey, Vec<u8>>,
    groups: BTreeMap<GroupId, String>,
    rows: BTreeMap<TaskId, Row>,
    bodies: BTreeMap<TaskId, Bytes>,
}

/// The store.
#[derive(Debug, Default)]
pub(crate) struct ModelStore {
    live: Image,
    /// What survives a power cut for certain.
    synced: Image,
    waiting: VecDeque<Batch>,
    mutant: Option<Mutant>,
}

impl ModelStore {
    pub(crate) fn new(mutant: Option<Mutant>) -> ModelStore {
        ModelStore {
            mutant,
            ..ModelStore::default()
        }
    }

    pub(crate) fn position(&self) -> Position {
        self.live.position
    }

    /// Takes a batch that the next transaction may write.
    pub(crate) fn push(&mut self, batch: Batch) {
        self.waiting.push_back(batch);
    }

    /// Whether a transaction can end.
    pub(crate) fn is_due(&self) -> bool {
        self.waiting.iter().any(|batch| batch.entries.is_some())
    }

    /// Writes everything up to the last batch with entries, in one transaction.
    pub(crate) fn commit(&mut self) {
        let Some(last) = self
            .waiting
            .iter()
            .rposition(|batch| batch.entries.is_some())
        else {
            return;
        };
        for batch in self.waiting.drain(..=last) {
            batch
                .events
                .iter()
                .for_each(|event| self.live.project(event.at, &event.change));
            for (key, value) in batch.entries.into_iter().flatten() {
                let forgotten = match key {
                    EntryKey::Dedup(..) => self.mutant == Some(Mutant::DedupNotStored),
                    EntryKey::Request(_) => self.mutant == Some(Mutant::RequestsNotStored),
                    _ => false,
                };
                match value.filter(|_| !forgotten) {
                    Some(value) => self.live.entries.insert(key, value),
                    None => self.live.entries.remove(&key),
                };
            }
            self.live.position = batch.end;
        }
    }

    /// Syncs it; returns the position below which the journal may be trimmed.
    pub(crate) fn checkpoint(&mut self) -> Position {
        self.synced = self.live.clone();
        self.synced.position
    }

    /// The process is gone: what waited is lost, what was committed stays.
    pub(crate) fn kill(&mut self) {
        self.waiting.clear();
    }

    /// The power is gone: commits since the last checkpoint may be.
    pub(crate) fn power_cut(&mut self, chance: &mut Chance) {
        self.waiting.clear();
        if chance.percent(50) {
            self.live = self.synced.clone();
        }
    }

    /// The engine's state at the store's position.
    pub(crate) fn load(&self) -> Result<State, RestoreError> {
        let mut state = State::default();
        for (key, value) in &self.live.entries {
            state.restore_entry(*key, value)?;
        }
        state.finish_restore();
        Ok(state)
    }

    /// The spec of a task.
    pub(crate) fn body(&self, task: TaskId) -> Option<Bytes> {
        self.live.bodies.get(&task).cloned()
    }

    /// What an operator's retry of an ended task asks the engine for.
    pub(crate) fn revival(&self, task: TaskId) -> Option<Revival> {
        let row = self.live.rows.get(&task).filter(|row| row.over)?;
        let body = self.body(task)?;
        let spec = capataz_api::proto::TaskSpec::decode(body).ok()?;
        // The elements of an array are retried one by one; clients here do not.
        if spec.count.is_some() {
            return None;
        }
        let dedup = spec.dedup_key.as_ref();
        Some(Revival {
            key: task.key(),
            group: self.live.groups.get(&row.group)?.clone(),
            policy: convert::policy_of(&spec),
            priority: row.priority,
            affinity: Vec::new(),
            submitted_at: row.submitted_at,
            attempts: row.attempts,
            rounds: row.rounds,
            dedup: dedup.map(|key| convert::hash(key.as_bytes())),
        })
    }
}

impl Image {
    fn project(&mut self, at: Timestamp, change: &Change) {
        match change {
            Change::GroupCreated { group, name } => {
                self.groups.insert(*group, name.clone());
            }
            Change::Submitted { first, tasks, .. } => {
                for (offset, accepted) in tasks.iter().enumerate() {
                    let id = TaskId(first.0 + offset as u64);
                    let row = Row {
                        group: accepted.group,
                        priority: accepted.task.priority,
                        submitted_at: at,
                        attempts: 0,
                        rounds: 0,
                        over: false,
                    };
                    self.rows.insert(id, row);
                    self.bodies.insert(id, accepted.task.body.clone());
                }
            }
            Change::Leased { key, attempt, .. } => self.change(*key, |row| row.attempts = *attempt),
            Change::AttemptEnded {
                key,
                next: Next::Over { .. },
                ..
            }
            | Change::Closed { key, .. } => self.change(*key, |row| {
                row.over = true;
                row.rounds += 1;
            }),
            Change::Revived { key, .. } => self.change(*key, |row| row.over = false),
            _ => {}
        }
    }

    fn change(&mut self, key: Key, change: impl FnOnce(&mut Row)) {
        if key.index().is_none()
            && let Some(row) = self.rows.get_mut(&key.task())
        {
            change(row);
        }
    }
}

//! The store as a model: entries at a position, what clients look up, and what a power cut leaves.
//!
//! It stands for the SQLite store behind its batches; it does not project history.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use capataz_engine::{
    Change, EntryKey, GroupId, Key, Next, Reason, RestoreError, Revival, RunId, State, TaskId,
    Timestamp,
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
    /// Of an array: elements that never had an attempt ended with it.
    rest_over: bool,
}

/// A task or an element that something has happened to.
#[derive(Clone, Copy, Debug, Default)]
struct Unit {
    attempts: u32,
    rounds: u32,
    leased: bool,
    over: bool,
}

#[derive(Clone, Debug, Default)]
struct Image {
    position: Position,
    entries: BTreeMap<EntryKey, Vec<u8>>,
    groups: BTreeMap<GroupId, String>,
    rows: BTreeMap<TaskId, Row>,
    units: BTreeMap<Key, Unit>,
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
                    EntryKey::StepOutput(..) => self.mutant == Some(Mutant::OutputNotStored),
                    EntryKey::Archive(_) => self.mutant == Some(Mutant::ArchiveNotStored),
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
        // What is kept of ended runs is looked up, not loaded.
        let kept = |key: &EntryKey| matches!(key, EntryKey::Archive(_));
        for (key, value) in self.live.entries.iter().filter(|(key, _)| !kept(key)) {
            state.restore_entry(*key, value)?;
        }
        state.finish_restore();
        Ok(state)
    }

    /// What is kept of a run that has ended.
    pub(crate) fn archive(&self, run: RunId) -> Option<Bytes> {
        let archive = self.live.entries.get(&EntryKey::Archive(run))?;
        Some(Bytes::copy_from_slice(archive))
    }

    /// The spec of a task.
    pub(crate) fn body(&self, task: TaskId) -> Option<Bytes> {
        self.live.bodies.get(&task).cloned()
    }

    /// What an operator's retry of an ended task or element asks the engine for.
    pub(crate) fn revival(&self, key: Key) -> Option<Revival> {
        let row = self.live.rows.get(&key.task())?;
        let spec = capataz_api::proto::TaskSpec::decode(self.body(key.task())?).ok()?;
        let unit = match self.live.units.get(&key) {
            Some(unit) => *unit,
            None => Unit {
                rounds: 1,
                over: row.rest_over,
                ..Unit::default()
            },
        };
        if !unit.over {
            return None;
        }
        let dedup = spec.dedup_key.as_ref();
        Some(Revival {
            key,
            group: self.live.groups.get(&row.group)?.clone(),
            policy: convert::policy_of(&spec),
            priority: row.priority,
            affinity: Vec::new(),
            submitted_at: row.submitted_at,
            attempts: unit.attempts,
            rounds: unit.rounds,
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
                        rest_over: false,
                    };
                    self.rows.insert(id, row);
                    self.bodies.insert(id, accepted.task.body.clone());
                }
            }
            // No row: a step's task is not retried by itself.
            Change::StepStarted { first, tasks, .. } => {
                for (id, accepted) in (first.0..).zip(tasks) {
                    self.bodies.insert(TaskId(id), accepted.task.body.clone());
                }
            }
            Change::Leased { key, attempt, .. } => {
                let unit = self.units.entry(*key).or_default();
                (unit.attempts, unit.leased) = (*attempt, true);
            }
            Change::AttemptEnded { key, next, .. } => {
                let unit = self.units.entry(*key).or_default();
                unit.leased = false;
                if let Next::Over { .. } = next {
                    unit.end();
                }
            }
            Change::LeaseReleased { key, .. } => {
                self.units.entry(*key).or_default().leased = false;
            }
            Change::Closed { key, reason, .. } => self.close(*key, *reason),
            Change::Revived { key, rounds, .. } => {
                let unit = self.units.entry(*key).or_default();
                (unit.over, unit.rounds) = (false, *rounds);
            }
            _ => {}
        }
    }

    fn close(&mut self, key: Key, reason: Reason) {
        let task = key.task();
        let spec = self.bodies.get(&task).cloned().unwrap_or_default();
        let spec = capataz_api::proto::TaskSpec::decode(spec).unwrap_or_default();
        if key.index().is_some() || spec.count.is_none() {
            return self.units.entry(key).or_default().end();
        }
        if let Some(row) = self.rows.get_mut(&task) {
            row.rest_over = true;
        }
        let expires = reason == Reason::Expired;
        for index in 0..spec.count.unwrap_or(0) {
            if let Some(unit) = self.units.get_mut(&task.element(index)) {
                let spared = expires && (unit.leased || unit.rounds > 0);
                if !unit.over && !spared {
                    unit.end();
                }
            }
        }
    }
}

impl Unit {
    fn end(&mut self) {
        self.over = true;
        self.rounds += 1;
    }
}

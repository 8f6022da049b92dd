//! The rows that one transaction changes, in memory: a task that begins and ends within it is
//! written once.
//!
//! Everything that events refer to is loaded first ([`Work::load`]); then events are folded in
//! without touching SQLite; `flush.rs` writes what came of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use capataz_engine::{
    Accepted, Change, Event, GroupId, Hello, Key, Phase, Reason, TaskId, Timestamp, WorkerId,
};
use rusqlite::Connection;

use super::fold::End;
use super::graphs::Graphs;
use super::row::{Counts, Row, StepTask, Try};
use super::row_sql;
use super::run_load;
use super::run_work::RunWork;

/// A row in memory.
pub(super) struct Slot {
    pub(super) row: Row,
    /// SQLite has a row of it.
    pub(super) stored: bool,
    pub(super) dirty: bool,
    /// What it added to the counts when it was loaded.
    pub(super) was: Counts,
}

/// A worker's session came or went.
pub(super) enum Session {
    Joined(WorkerId, Timestamp, Box<Hello>),
    Left(WorkerId, Timestamp),
}

/// What one transaction changes.
pub(super) struct Work {
    pub(super) rows: BTreeMap<Key, Box<Slot>>,
    pub(super) bodies: Vec<(TaskId, Bytes)>,
    /// Attempts that are no longer the last of their task.
    pub(super) earlier: Vec<(Key, Try)>,
    pub(super) groups: Vec<(GroupId, String)>,
    pub(super) sessions: Vec<Session>,
    pub(super) runs: RunWork,
    /// No task from this number on is in SQLite or in here.
    pub(super) next_task: u64,
    pub(super) epoch: u64,
}

impl Work {
    pub(super) fn new(next_task: u64, epoch: u64) -> Work {
        Work {
            rows: BTreeMap::new(),
            bodies: Vec::new(),
            earlier: Vec::new(),
            groups: Vec::new(),
            sessions: Vec::new(),
            runs: RunWork::default(),
            next_task,
            epoch,
        }
    }

    /// Loads every row that one of `events` refers to and that SQLite has.
    pub(super) fn load<'e>(
        &mut self,
        connection: &Connection,
        graphs: &mut Graphs,
        events: impl Iterator<Item = &'e Event> + Clone,
    ) -> rusqlite::Result<()> {
        let mut keys = run_load::waiting_tasks(connection, self.next_task, events.clone())?;
        let mut closed = Vec::new();
        for event in events.clone() {
            let Some(key) = subject(&event.change) else {
                continue;
            };
            if key.task().0 >= self.next_task {
                continue;
            }
            keys.push(key);
            if key.index().is_some() {
                keys.push(key.task().key());
            } else if matches!(event.change, Change::Closed { .. }) {
                closed.push(key.task());
            }
        }
        keys.sort_unstable();
        keys.dedup();
        self.load_keys(connection, &keys)?;
        for array in closed {
            if self
                .rows
                .get(&array.key())
                .is_some_and(|slot| slot.row.array.is_some())
            {
                let live = live_elements(connection, array)?;
                self.load_keys(connection, &live)?;
            }
        }
        run_load::load(self, connection, graphs, events)
    }

    fn load_keys(&mut self, connection: &Connection, keys: &[Key]) -> rusqlite::Result<()> {
        let condition = "WHERE key = ?";
        let task_sql = row_sql::select_sql("task") + condition;
        let element_sql = row_sql::select_sql("element") + condition;
        let mut tasks = connection.prepare_cached(&task_sql)?;
        let mut elements = connection.prepare_cached(&element_sql)?;
        for key in keys {
            let statement = match key.index() {
                None => &mut tasks,
                Some(_) => &mut elements,
            };
            let mut found = statement.query([key.to_raw() as i64])?;
            if let Some(found) = found.next()? {
                let (key, row) = row_sql::read(found)?;
                let was = row.counts();
                let slot = Slot {
                    row,
                    stored: true,
                    dirty: false,
                    was,
                };
                self.rows.entry(key).or_insert_with(|| Box::new(slot));
            }
        }
        Ok(())
    }

    /// Folds in one event.
    pub(super) fn fold(&mut self, event: &Event) {
        let at = event.at;
        if let Change::Acted { actor, events } = &event.change {
            return self.runs.act(actor, *events);
        }
        let actor = self.runs.actor();
        match &event.change {
            Change::Submitted { first, tasks, .. } => {
                self.submitted(at, *first, tasks, |_| None);
            }
            Change::Due { .. }
            | Change::Closed { .. }
            | Change::Revived { .. }
            | Change::Leased { .. }
            | Change::Started { .. }
            | Change::AttemptEnded { .. }
            | Change::LeaseReleased { .. } => self.fold_one(at, &event.change, actor.clone()),
            Change::StepStarted { .. } => self.start_step(at, &event.change),
            Change::RunPaused { run, on } => {
                self.runs.pause(at, *run, *on, actor.clone());
                self.hold_tasks(at, *run, *on);
            }
            Change::RunCancelled { run, .. } => {
                self.runs.fold(at, &event.change, actor.clone());
                self.hold_tasks(at, *run, true);
            }
            Change::GroupCreated { group, name } => self.groups.push((*group, name.clone())),
            Change::PodCreated { pod, name, .. } => {
                self.runs.pods.push((*pod, Some(name.clone())));
            }
            Change::PodForgotten { pod } => self.runs.pods.push((*pod, None)),
            Change::Joined { worker, hello, .. } => {
                let hello = Box::new(hello.clone());
                self.sessions.push(Session::Joined(*worker, at, hello));
            }
            Change::Left { worker, .. } => self.sessions.push(Session::Left(*worker, at)),
            Change::EpochStarted { epoch, .. } => self.epoch = *epoch,
            // The others change what only the engine keeps, or belong to runs. One that changed
            // tasks too would fail the random walk in the tests.
            change => {
                if let Change::RunStarted { run, .. } = change {
                    self.next_task = self.next_task.max(run.0 + 1);
                }
                self.runs.fold(at, change, actor.clone());
            }
        }
        self.runs.audit_settings(at, &event.change, actor);
    }

    pub(super) fn submitted(
        &mut self,
        at: Timestamp,
        first: TaskId,
        tasks: &[Accepted],
        step: impl Fn(u32) -> Option<StepTask>,
    ) {
        for (offset, (id, accepted)) in (0..).zip((first.0..).map(TaskId).zip(tasks)) {
            self.bodies.push((id, accepted.task.body.clone()));
            self.add(id.key(), Row::accepted(at, accepted, step(offset)));
        }
        self.next_task = self.next_task.max(first.0 + tasks.len() as u64);
    }

    /// What changes a task as a whole.
    pub(super) fn fold_task(&mut self, at: Timestamp, change: &Change) {
        match change {
            Change::Due { key } if self.is_array(*key) => self.edit(*key, |row| row.array_due(at)),
            Change::Due { key } => self.change(at, *key, |row| row.due(at)),
            Change::Closed {
                key,
                phase,
                reason,
                note,
            } => match self.is_array(*key) {
                true => self.close_array(at, key.task(), *phase, *reason, note),
                false => self.change(at, *key, |row| row.close(at, *phase, *reason, note)),
            },
            Change::Revived {
                key,
                group,
                priority,
                submitted_at,
                rounds,
                ..
            } => {
                if key.index().is_none() && !self.rows.contains_key(key) {
                    self.add(*key, Row::anew(*group, *priority, *submitted_at));
                }
                self.change(at, *key, |row| row.revive(at, *rounds));
            }
            _ => {}
        }
    }

    /// What changes an attempt, and with it its task.
    pub(super) fn fold_attempt(&mut self, at: Timestamp, change: &Change) {
        match change {
            Change::Leased {
                key,
                attempt,
                worker,
            } => {
                let mut before = None;
                self.change(at, *key, |row| before = row.lease(at, *attempt, *worker));
                self.earlier.extend(before.map(|before| (*key, before)));
            }
            Change::Started {
                key,
                attempt,
                since,
            } => {
                self.change(at, *key, |row| row.start(*attempt, *since));
            }
            Change::AttemptEnded {
                key,
                attempt,
                outcome,
                next,
                usage,
                output,
                ..
            } => {
                let (attempt, next, usage) = (*attempt, *next, *usage);
                let end = End {
                    at,
                    attempt,
                    outcome,
                    next,
                    usage,
                    output,
                };
                self.change(at, *key, |row| row.end_attempt(&end));
            }
            Change::LeaseReleased {
                key,
                attempt,
                ended,
            } => {
                self.edit(*key, |row| row.release(at, *attempt, *ended));
            }
            _ => {}
        }
    }

    fn is_array(&self, key: Key) -> bool {
        self.rows
            .get(&key)
            .is_some_and(|slot| slot.row.array.is_some())
    }

    fn add(&mut self, key: Key, row: Row) {
        let slot = Slot {
            row,
            stored: false,
            dirty: true,
            was: Counts::default(),
        };
        self.rows.insert(key, Box::new(slot));
    }

    /// Changes the row itself and nothing that depends on it. A row that is not there was removed
    /// by retention.
    fn edit(&mut self, key: Key, edit: impl FnOnce(&mut Row)) {
        if let Some(slot) = self.rows.get_mut(&key) {
            edit(&mut slot.row);
            slot.dirty = true;
        }
    }

    /// Changes the row of a task, or of an element and with it that of its array.
    fn change(&mut self, at: Timestamp, key: Key, change: impl FnOnce(&mut Row)) {
        if key.index().is_none() {
            return self.edit(key, change);
        }
        let array = key.task().key();
        let mut was = None;
        if let Some(slot) = self.rows.get(&key) {
            was = Some(slot.row.phase);
        } else if let Some(row) = self
            .rows
            .get(&array)
            .and_then(|a| a.row.untouched_element())
        {
            self.add(key, row);
        }
        self.edit(key, change);
        // Taken out so that both rows can be looked at.
        let Some(mut of) = self.rows.remove(&array) else {
            return;
        };
        if let Some(element) = self.rows.get(&key) {
            of.row.follow(at, was, &element.row);
            of.dirty = true;
        }
        self.rows.insert(array, of);
    }

    fn close_array(&mut self, at: Timestamp, id: TaskId, phase: Phase, reason: Reason, note: &str) {
        let live: Vec<Key> = self
            .rows
            .range(id.element(0)..TaskId(id.0 + 1).key())
            .filter(|(_, slot)| slot.row.is_closed_with_array(reason))
            .map(|(key, _)| *key)
            .collect();
        for key in live {
            self.change(at, key, |row| row.close(at, phase, reason, note));
        }
        self.edit(id.key(), |row| row.close_rest(at, phase, reason, note));
    }
}

/// The task or element that an event is about, when it is about one that was there before.
pub(super) fn subject(change: &Change) -> Option<Key> {
    match change {
        Change::Due { key }
        | Change::Leased { key, .. }
        | Change::Started { key, .. }
        | Change::AttemptEnded { key, .. }
        | Change::LeaseReleased { key, .. }
        | Change::Closed { key, .. }
        | Change::Revived { key, .. } => Some(*key),
        _ => None,
    }
}

fn live_elements(connection: &Connection, array: TaskId) -> rusqlite::Result<Vec<Key>> {
    // Repeats the condition of the partial index, so that SQLite uses it.
    let sql = "SELECT key FROM element
        WHERE state = ?1 AND state <> 4 AND key BETWEEN ?2 AND ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let (first, last) = (array.element(0), TaskId(array.0 + 1).key().to_raw() - 1);
    let mut keys = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| phase.is_live()) {
        let mut rows = statement.query((phase as i64, first.to_raw() as i64, last as i64))?;
        while let Some(row) = rows.next()? {
            keys.push(Key::from_raw(row.get::<_, i64>(0)? as u64));
        }
    }
    keys.sort_unstable();
    Ok(keys)
}

//! One task as lists and `task show` give it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;
use capataz_engine::{Attempt, Key, Phase, Reason, Timestamp, Usage};
use rusqlite::Connection;

use super::attempts::{WorkerNames, worker_names};
use super::reader::{ReadError, Reader};
use super::row::{ElementCounts, Row, StepTask};
use super::row_sql;
use super::run_record::followed;

/// A task, an array, or an element of one.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskRecord {
    /// Its id.
    pub key: Key,
    /// The step of a run that it is.
    pub step: Option<StepTask>,
    /// The name of that step; [`Reader::name_steps`] fills it in.
    pub step_name: Option<String>,
    /// The name of its group.
    pub group: String,
    /// Its state. An array is running as soon as one element was touched, and has ended when all
    /// have: failed if any has, else cancelled if any was, else succeeded.
    pub phase: Phase,
    /// Why it is in that state.
    pub reason: Reason,
    /// 1 to 9.
    pub priority: u8,
    /// Its tags, sorted. An element has those of its array, which are not repeated here.
    pub tags: Vec<String>,
    /// Its dedup key.
    pub dedup_key: Option<String>,
    /// The number of its last attempt; 0 when there was none, and for an array as a whole.
    pub attempt: Attempt,
    /// The round it is in, from 1. The rounds that an ended task has behind it are as many.
    pub round: u32,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// When it last became queued.
    pub queued_at: Option<Timestamp>,
    /// When the last attempt was leased; for an array the first of any element.
    pub allocated_at: Option<Timestamp>,
    /// When the last attempt began; for an array the first of any element.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Until when it is scheduled.
    pub until: Option<Timestamp>,
    /// The worker of the last attempt; empty when there was none or retention forgot the worker.
    pub worker: String,
    /// That worker's pod.
    pub pod: String,
    /// That worker's host.
    pub host: String,
    /// What the last attempt took.
    pub usage: Option<Usage>,
    /// An encoded `AttemptResult` of the last attempt; empty when it returned nothing.
    pub result: Bytes,
    /// What was given as the reason of a cancel; may be empty.
    pub note: String,
    /// How far an array is; `None` for anything else.
    pub elements: Option<ElementCounts>,
}

impl Reader {
    /// A task, an array or an element; `None` when the store does not have it.
    pub fn task(&self, key: Key) -> Result<Option<TaskRecord>, ReadError> {
        let connection = self.connection()?;
        // One snapshot: an element without a row is read from its array.
        let transaction = connection.unchecked_transaction()?;
        let row = find_row(&transaction, key)?;
        Ok(row.map(|row| record(&transaction, key, row)).transpose()?)
    }
}

impl Reader {
    /// Fills in the names of the steps that tasks are.
    pub fn name_steps(&self, tasks: &mut [TaskRecord]) -> Result<(), ReadError> {
        let connection = self.connection()?;
        let mut graphs = HashMap::new();
        for task in tasks {
            let Some(step) = task.step else { continue };
            let graph = match graphs.entry(step.run) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(followed(&connection, step.run)?),
            };
            let node = graph
                .as_ref()
                .and_then(|graph| graph.steps.get(step.step as usize));
            task.step_name = node.map(|node| node.name.clone());
        }
        Ok(())
    }
}

/// The row of a task or element, made up from its array when nothing has happened to it.
pub(super) fn find_row(connection: &Connection, key: Key) -> rusqlite::Result<Option<Row>> {
    if let Some(row) = stored_row(connection, key)? {
        return Ok(Some(row));
    }
    let Some(index) = key.index() else {
        return Ok(None);
    };
    let array = stored_row(connection, key.task().key())?;
    let array = array.filter(|row| row.array.as_ref().is_some_and(|array| index < array.count));
    Ok(array.and_then(|row| row.untouched_element()))
}

pub(super) fn stored_row(connection: &Connection, key: Key) -> rusqlite::Result<Option<Row>> {
    let sql = row_sql::select_sql(row_sql::table(key)) + "WHERE key = ?";
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([key.to_raw() as i64])?;
    let row = rows.next()?.map(row_sql::read).transpose()?;
    Ok(row.map(|(_, row)| row))
}

/// Puts names to a row's numbers.
pub(super) fn record(connection: &Connection, key: Key, row: Row) -> rusqlite::Result<TaskRecord> {
    let who = match row.last.worker {
        Some(worker) => worker_names(connection, worker)?,
        None => WorkerNames::default(),
    };
    let mut group = connection.prepare_cached("SELECT name FROM grp WHERE id = ?")?;
    let group = group.query_row([row.group.0], |row| row.get(0))?;
    Ok(TaskRecord {
        key,
        step: row.step,
        step_name: None,
        group,
        phase: row.phase,
        reason: row.reason,
        priority: row.priority,
        tags: row.labels.tags,
        dedup_key: row.labels.dedup_key,
        attempt: row.last.attempt,
        round: row.round,
        submitted_at: row.submitted_at,
        queued_at: row.queued_at,
        allocated_at: row.last.allocated_at,
        started_at: row.last.started_at,
        finished_at: row.finished_at,
        until: row.until,
        worker: who.name,
        pod: who.pod,
        host: who.host,
        usage: row.last.usage,
        result: row.last.result,
        note: row.note,
        elements: row.array.map(|array| array.element_counts()),
    })
}

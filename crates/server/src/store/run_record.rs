//! One run and its steps, as answers give them.

use std::sync::Arc;

use bytes::Bytes;
use capataz_engine::{
    Attempt, Graph, Key, Node, Phase, RunId, RunPhase, RunReason, StepReason, Timestamp, WorkflowId,
};
use rusqlite::{Connection, OptionalExtension};

use super::attempts::{WorkerNames, worker_names};
use super::graphs::read_followed;
use super::reader::{ReadError, Reader};
use super::row::{Counts, Row};
use super::run_row::{FanRow, RunRow, Standing, StepRow};
use super::run_sql;
use super::task::stored_row;
use crate::workflow::RunBody;

/// A run.
#[derive(Clone, PartialEq, Debug)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// The name of its workflow.
    pub workflow: String,
    /// The version that it follows.
    pub version: u32,
    /// Its state.
    pub phase: RunPhase,
    /// Why it is in that state. What a queued run waits for only the engine knows.
    pub reason: RunReason,
    /// From 1: opening it again begins the next.
    pub round: u32,
    /// 1 to 9.
    pub priority: u8,
    /// How many runs came before it by repetition.
    pub repetition: u32,
    /// The run that it repeats.
    pub previous: Option<RunId>,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// When it was first under way.
    pub began_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Its steps.
    pub steps: u32,
    /// Steps that were started and have not ended.
    pub under_way: u32,
    pub(super) ended: Counts,
    /// Its conflict key.
    pub conflict: Option<String>,
    /// Its labels, sorted.
    pub tags: Vec<String>,
    /// The client's key for it.
    pub key: Option<String>,
    /// Its parameters, as JSON.
    pub parameters: Bytes,
    /// The message that it began with, as JSON; empty without one.
    pub message: Bytes,
    /// What it returned, as JSON; empty without a result.
    pub result: Bytes,
    /// Why it was cancelled, or what went wrong at its end; may be empty.
    pub note: String,
}

/// A step of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct StepRecord {
    /// Its number.
    pub number: u32,
    /// Its place in the graph: name, edges and what it is.
    pub node: Node,
    /// The names of the steps that it comes after, in the order of its edges.
    pub after: Vec<String>,
    /// Its state: that of its task, as long as it is not decided.
    pub phase: Phase,
    /// Why it is in that state; may be empty.
    pub reason: &'static str,
    /// The step that did not end as it had to, of a skipped one.
    pub upstream: Option<String>,
    /// What there is to say about its end; may be empty.
    pub note: String,
    /// From 1; 0 as long as nothing happened to it.
    pub round: u32,
    /// Its task.
    pub task: Option<Key>,
    /// The last attempt of its task; 0 when there was none.
    pub attempt: Attempt,
    /// How far a fan-out is.
    pub fan: Option<FanRow>,
    /// When its task was last queued; of others when they began.
    pub queued_at: Option<Timestamp>,
    /// When the last attempt was leased.
    pub allocated_at: Option<Timestamp>,
    /// When the last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it was decided.
    pub finished_at: Option<Timestamp>,
    /// The worker of the last attempt; may be empty.
    pub worker: String,
    /// That worker's pod.
    pub pod: String,
    /// That worker's host.
    pub host: String,
}

/// Steps of a run, in the order of the graph.
#[derive(Clone, PartialEq, Debug)]
pub struct StepPage {
    /// The steps.
    pub items: Vec<StepRecord>,
    /// The number of the step to go on with; `None` at the end.
    pub next: Option<u32>,
}

impl RunRecord {
    /// Steps that ended in a state, or are in one; those that nothing has happened to are blocked.
    pub fn counts(&self, phase: Phase) -> u32 {
        match phase {
            Phase::Blocked => {
                let ended: u32 = self.ended.iter().sum();
                self.steps.saturating_sub(ended + self.under_way)
            }
            Phase::Running => self.under_way,
            phase => self.ended[phase as usize],
        }
    }
}

impl Reader {
    /// A run; `None` when the store does not have it.
    pub fn run(&self, id: RunId) -> Result<Option<RunRecord>, ReadError> {
        let connection = self.connection()?;
        let row = run_sql::read_run(&connection, id)?;
        Ok(row
            .map(|row| run_record(&connection, id, row))
            .transpose()?)
    }

    /// Steps of a run from a number on, at most `limit`; `None` when the store does not have the
    /// run.
    pub fn run_steps(
        &self,
        id: RunId,
        from: u32,
        limit: u32,
    ) -> Result<Option<StepPage>, ReadError> {
        let connection = self.connection()?;
        // One snapshot: steps and their tasks belong together.
        let transaction = connection.unchecked_transaction()?;
        let Some(graph) = followed(&transaction, id)? else {
            return Ok(None);
        };
        let count = graph.steps.len() as u32;
        let end = count.min(from.saturating_add(limit));
        let rows = run_sql::read_steps(&transaction, id, from..end)?;
        let mut rows = rows.into_iter().peekable();
        let mut items = Vec::new();
        for number in from..end {
            let row = rows.next_if(|(at, _)| *at == number).map(|(_, row)| row);
            items.push(step_record(&transaction, &graph, number, row)?);
        }
        let next = (end < count).then_some(end);
        Ok(Some(StepPage { items, next }))
    }

    /// One step of a run by its name.
    pub fn run_step(&self, id: RunId, name: &str) -> Result<Option<StepRecord>, ReadError> {
        let connection = self.connection()?;
        let transaction = connection.unchecked_transaction()?;
        let Some(graph) = followed(&transaction, id)? else {
            return Ok(None);
        };
        let Some(number) = graph.steps.iter().position(|node| node.name == name) else {
            return Ok(None);
        };
        let row = run_sql::read_step(&transaction, id, number as u32)?;
        let step = step_record(&transaction, &graph, number as u32, row)?;
        Ok(Some(step))
    }

    /// The definition that a run follows, as JSON, with the steps that were added to it.
    pub fn run_definition(&self, id: RunId) -> Result<Option<Bytes>, ReadError> {
        let connection = self.connection()?;
        let Some(row) = run_sql::read_run(&connection, id)? else {
            return Ok(None);
        };
        let found = read_followed(&connection, id, (row.workflow, row.version))?;
        Ok(found.map(|(_, definition)| Bytes::from(definition)))
    }

    /// Whether steps of a run alter its message; false when the store does not have the run.
    pub fn alters_message(&self, id: RunId) -> Result<bool, ReadError> {
        let connection = self.connection()?;
        let graph = followed(&connection, id)?;
        let alters = |graph: Arc<Graph>| graph.steps.iter().any(|node| node.alters_message);
        Ok(graph.is_some_and(alters))
    }

    /// What was kept of a run when it last ended.
    pub fn run_archive(&self, id: RunId) -> Result<Option<Bytes>, ReadError> {
        let connection = self.connection()?;
        let sql = "SELECT crc, v FROM run_archive WHERE run = ?";
        let mut statement = connection.prepare_cached(sql)?;
        let found = statement.query_row([id.0 as i64], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let Some((crc, archive)) = found.optional()? else {
            return Ok(None);
        };
        let key = super::entries::encode_key(&capataz_engine::EntryKey::Archive(id));
        match super::entries::checksum(&key, &archive) == crc {
            true => Ok(Some(Bytes::from(archive))),
            false => Err(run_sql::damaged(id).into()),
        }
    }

    /// The name of a step of a run.
    pub fn step_name(&self, id: RunId, step: u32) -> Result<Option<String>, ReadError> {
        let connection = self.connection()?;
        let graph = followed(&connection, id)?;
        let node = graph
            .as_ref()
            .and_then(|graph| graph.steps.get(step as usize));
        Ok(node.map(|node| node.name.clone()))
    }
}

/// The graph that a run follows.
pub(super) fn followed(connection: &Connection, id: RunId) -> rusqlite::Result<Option<Arc<Graph>>> {
    let Some(row) = run_sql::read_run(connection, id)? else {
        return Ok(None);
    };
    let found = read_followed(connection, id, (row.workflow, row.version))?;
    Ok(found.map(|(graph, _)| graph))
}

/// Puts names to a run's row.
pub(super) fn run_record(
    connection: &Connection,
    id: RunId,
    row: RunRow,
) -> rusqlite::Result<RunRecord> {
    let RunBody { tags, key, .. } = RunBody::read(&row.body);
    Ok(RunRecord {
        id,
        workflow: workflow_name(connection, row.workflow)?,
        version: row.version,
        phase: row.phase,
        reason: row.reason,
        round: row.round,
        priority: row.priority,
        repetition: row.repetition,
        previous: row.previous,
        submitted_at: row.submitted_at,
        began_at: row.began_at,
        finished_at: row.finished_at,
        steps: row.steps,
        under_way: row.under_way,
        ended: row.ended,
        conflict: row.conflict,
        tags,
        key,
        parameters: row.parameters,
        message: row.message,
        result: row.result,
        note: row.note,
    })
}

fn workflow_name(connection: &Connection, id: WorkflowId) -> rusqlite::Result<String> {
    let sql = "SELECT name FROM workflow WHERE id = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let name = statement.query_row([id.0], |row| row.get(0)).optional()?;
    Ok(name.unwrap_or_default())
}

/// A step as it stands: with its node alone when nothing has happened to it.
pub(super) fn bare_step(graph: &Graph, number: u32) -> StepRecord {
    let name = |step: u32| graph.steps.get(step as usize).map(|node| node.name.clone());
    let node = &graph.steps[number as usize];
    StepRecord {
        number,
        after: node
            .after
            .iter()
            .filter_map(|edge| name(edge.step))
            .collect(),
        node: node.clone(),
        phase: Phase::Blocked,
        reason: "",
        upstream: None,
        note: String::new(),
        round: 0,
        task: None,
        attempt: 0,
        fan: None,
        queued_at: None,
        allocated_at: None,
        started_at: None,
        finished_at: None,
        worker: String::new(),
        pod: String::new(),
        host: String::new(),
    }
}

pub(super) fn step_record(
    connection: &Connection,
    graph: &Graph,
    number: u32,
    row: Option<StepRow>,
) -> rusqlite::Result<StepRecord> {
    let mut step = bare_step(graph, number);
    let Some(row) = row else { return Ok(step) };
    step.phase = row.standing.phase();
    if let Standing::Ended(_, reason) = row.standing {
        step.reason = reason.name();
        if let StepReason::Upstream(other) = reason {
            let other = graph.steps.get(other as usize);
            step.upstream = other.map(|node| node.name.clone());
        }
    }
    step.note = row.note;
    step.round = row.round;
    step.fan = row.fan;
    step.queued_at = row.queued_at;
    step.finished_at = row.finished_at;
    step.task = row.task.map(capataz_engine::TaskId::key);
    match step.task {
        Some(task) => {
            if let Some(task) = stored_row(connection, task)? {
                add_task(connection, &mut step, row.standing, &task)?;
            }
        }
        None => {
            // A fan-out began with its items, and what is no task at once.
            let ran = step.fan.is_some() || step.phase == Phase::Succeeded;
            let at = step.queued_at.or(step.finished_at).filter(|_| ran);
            (step.queued_at, step.allocated_at, step.started_at) = (at, at, at);
        }
    }
    Ok(step)
}

/// What a step has of its task: as long as it is not decided, its state too.
fn add_task(
    connection: &Connection,
    step: &mut StepRecord,
    standing: Standing,
    task: &Row,
) -> rusqlite::Result<()> {
    if standing == Standing::Started && task.phase.is_live() {
        step.phase = task.phase;
        step.reason = task.reason.name();
    }
    step.attempt = task.last.attempt;
    step.queued_at = task.queued_at.or(step.queued_at);
    step.allocated_at = task.last.allocated_at;
    step.started_at = task.last.started_at;
    let who = match task.last.worker {
        Some(worker) => worker_names(connection, worker)?,
        None => WorkerNames::default(),
    };
    (step.worker, step.pod, step.host) = (who.name, who.pod, who.host);
    Ok(())
}

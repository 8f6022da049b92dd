//! The attempts of a task: the last is in its row, the earlier ones have rows of their own.

use bytes::Bytes;
use capataz_engine::{Attempt, Key, Reason, Span, Timestamp, Usage, WorkerId};
use rusqlite::{Connection, OptionalExtension};

use super::reader::{ReadError, Reader};
use super::row::{Try, Verdict};
use super::task::find_row;

/// One attempt of a task or element.
#[derive(Clone, PartialEq, Debug)]
pub struct AttemptRecord {
    /// Its number, from 1.
    pub attempt: Attempt,
    /// The worker's name. Empty when retention has forgotten the worker, as are the next three.
    pub worker: String,
    /// Where it ran.
    pub host: String,
    /// In which pod.
    pub pod: String,
    /// The worker's build version.
    pub build: String,
    /// When it was leased.
    pub allocated_at: Option<Timestamp>,
    /// When it began; as its worker reported, or derived from its end.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended; `None` while it runs.
    pub verdict: Option<Verdict>,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// What it took.
    pub usage: Option<Usage>,
    /// An encoded `AttemptResult`; empty when it returned nothing.
    pub result: Bytes,
}

/// Who ran something.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct WorkerNames {
    pub(super) name: String,
    pub(super) host: String,
    pub(super) pod: String,
    pub(super) build: String,
}

impl Reader {
    /// All attempts of a task or element, oldest first; none when it is unknown.
    pub fn attempts(&self, key: Key) -> Result<Vec<AttemptRecord>, ReadError> {
        let connection = self.connection()?;
        // One snapshot: an attempt moves from the row to the table.
        let transaction = connection.unchecked_transaction()?;
        let mut tries = earlier(&transaction, key)?;
        if let Some(row) = find_row(&transaction, key)?
            && row.last.attempt > 0
        {
            tries.push(row.last);
        }
        let records = tries
            .into_iter()
            .map(|attempt| record(&transaction, attempt));
        Ok(records.collect::<rusqlite::Result<_>>()?)
    }
}

fn record(connection: &Connection, attempt: Try) -> rusqlite::Result<AttemptRecord> {
    let who = match attempt.worker {
        Some(worker) => worker_names(connection, worker)?,
        None => WorkerNames::default(),
    };
    Ok(AttemptRecord {
        attempt: attempt.attempt,
        worker: who.name,
        host: who.host,
        pod: who.pod,
        build: who.build,
        allocated_at: attempt.allocated_at,
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        verdict: attempt.verdict,
        reason: attempt.fault,
        usage: attempt.usage,
        result: attempt.result,
    })
}

pub(super) fn worker_names(
    connection: &Connection,
    worker: WorkerId,
) -> rusqlite::Result<WorkerNames> {
    let sql = "SELECT name, host, pod, build FROM worker WHERE id = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let names = statement.query_row([worker.0], |row| {
        Ok(WorkerNames {
            name: row.get(0)?,
            host: row.get(1)?,
            pod: row.get(2)?,
            build: row.get(3)?,
        })
    });
    Ok(names.optional()?.unwrap_or_default())
}

fn earlier(connection: &Connection, key: Key) -> rusqlite::Result<Vec<Try>> {
    let sql = "SELECT attempt, worker, allocated_at, started_at, ended_at, verdict, fault,
        wall, cpu, peak, result FROM attempt WHERE key = ? ORDER BY attempt";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([key.to_raw() as i64], |row| {
        let number = |at: usize| row.get::<_, Option<i64>>(at);
        let time = |at: usize| Ok::<_, rusqlite::Error>(number(at)?.map(|at| Timestamp(at as u64)));
        let wall = number(7)?;
        let (cpu, peak) = (number(8)?.unwrap_or(0), number(9)?.unwrap_or(0));
        Ok(Try {
            attempt: row.get(0)?,
            worker: row.get::<_, Option<u32>>(1)?.map(WorkerId),
            allocated_at: time(2)?,
            started_at: time(3)?,
            ended_at: time(4)?,
            verdict: number(5)?.and_then(|at| Verdict::ALL.get(at as usize).copied()),
            fault: number(6)?.and_then(|at| Reason::ALL.get(at as usize).copied()),
            usage: wall.map(|wall| Usage {
                wall: Span(wall as u64),
                cpu: Span(cpu as u64),
                peak_memory: peak as u64,
            }),
            result: row
                .get::<_, Option<Vec<u8>>>(10)?
                .unwrap_or_default()
                .into(),
        })
    })?;
    rows.collect()
}

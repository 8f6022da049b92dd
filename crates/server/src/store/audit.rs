//! Reading the audit trail, oldest first.

use std::collections::HashMap;
use std::sync::Arc;

use capataz_engine::{Attempt, Graph, Key, Phase, RunId, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension};

use super::audit_row::Action;
use super::reader::{ReadError, Reader};
use super::run_record::followed;

/// Whoever acts when no caller does.
pub const SYSTEM_ACTOR: &str = "capataz";

/// Which lines to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only of this run.
    pub run: Option<RunId>,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// After this line.
    pub after: u64,
    /// The most lines to return.
    pub limit: usize,
}

/// A line of the audit trail.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditRecord {
    /// Its number: later lines have higher ones.
    pub seq: u64,
    /// When it happened, by the leader's clock.
    pub at: Timestamp,
    /// What happened.
    pub action: Action,
    /// The name of the caller's token; [`SYSTEM_ACTOR`] for what follows by the rules.
    pub actor: String,
    /// The run.
    pub run: Option<RunId>,
    /// The step's name.
    pub step: Option<String>,
    /// The step's number.
    pub number: Option<u32>,
    /// The element of a fan-out, or the first of several.
    pub element: Option<u32>,
    /// Of a skipped step the one that did not end as it had to.
    pub upstream: Option<String>,
    /// The task.
    pub task: Option<Key>,
    /// The attempt.
    pub attempt: Option<Attempt>,
    /// The state before.
    pub from: Option<Phase>,
    /// The state after.
    pub to: Option<Phase>,
    /// Why; may be empty.
    pub reason: String,
    /// The group, pod, worker, token or workflow in question.
    pub subject: Option<String>,
    /// What there is to say about it; may be empty.
    pub note: String,
}

impl Reader {
    /// Lines of the audit trail, in their order. There are no more when there are fewer than the
    /// limit.
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, ReadError> {
        let connection = self.connection()?;
        let transaction = connection.unchecked_transaction()?;
        let first = match filter.since {
            Some(since) => first_at(&transaction, since)?.max(filter.after as i64 + 1),
            None => filter.after as i64 + 1,
        };
        let until = filter
            .until
            .map_or(i64::MAX, |until| i64::try_from(until.0).unwrap_or(i64::MAX));
        let columns = "SELECT seq, at, action, actor, run, step, item, task, attempt, was, now,
            reason, subject, note FROM audit";
        let mut names = StepNames {
            connection: &transaction,
            graphs: HashMap::new(),
        };
        let limit = filter.limit as i64;
        let mut records = Vec::new();
        match filter.run {
            Some(run) => {
                let sql =
                    format!("{columns} WHERE run = ? AND seq >= ? AND at < ? ORDER BY seq LIMIT ?");
                let mut statement = transaction.prepare_cached(&sql)?;
                let mut rows = statement.query((run.0 as i64, first, until, limit))?;
                while let Some(row) = rows.next()? {
                    records.push(names.read(row)?);
                }
            }
            None => {
                let sql = format!("{columns} WHERE seq >= ? AND at < ? ORDER BY seq LIMIT ?");
                let mut statement = transaction.prepare_cached(&sql)?;
                let mut rows = statement.query((first, until, limit))?;
                while let Some(row) = rows.next()? {
                    records.push(names.read(row)?);
                }
            }
        }
        Ok(records)
    }

    /// The number of the last line that there is; 0 before the first.
    pub fn last_audit(&self) -> Result<u64, ReadError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached("SELECT max(seq) FROM audit")?;
        let last: Option<i64> = statement.query_row([], |row| row.get(0))?;
        Ok(last.unwrap_or(0) as u64)
    }
}

/// The number of the first line from a time on: lines are in the order of their times, so it is
/// found by halving, and no index is needed.
fn first_at(connection: &Connection, since: Timestamp) -> rusqlite::Result<i64> {
    let sql = "SELECT seq, at FROM audit WHERE seq >= ? ORDER BY seq LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(seq) FROM audit")?
        .query_row([], |row| row.get(0))?;
    let (mut low, mut high) = (1, last.unwrap_or(0) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = statement.query_row([middle], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        });
        match found.optional()? {
            Some((seq, at)) if (at as u64) < since.0 => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Puts names to the numbers of steps.
struct StepNames<'c> {
    connection: &'c Connection,
    graphs: HashMap<RunId, Option<Arc<Graph>>>,
}

impl StepNames<'_> {
    fn of(&mut self, run: Option<RunId>, step: Option<u32>) -> rusqlite::Result<Option<String>> {
        let (Some(run), Some(step)) = (run, step) else {
            return Ok(None);
        };
        let graph = match self.graphs.get(&run) {
            Some(graph) => graph.clone(),
            None => {
                let graph = followed(self.connection, run)?;
                self.graphs.entry(run).or_insert(graph).clone()
            }
        };
        let node = graph
            .as_ref()
            .and_then(|graph| graph.steps.get(step as usize));
        Ok(node.map(|node| node.name.clone()))
    }

    fn read(&mut self, row: &rusqlite::Row<'_>) -> rusqlite::Result<AuditRecord> {
        let run = row.get::<_, Option<i64>>(4)?.map(|run| RunId(run as u64));
        let (number, item): (Option<u32>, Option<u32>) = (row.get(5)?, row.get(6)?);
        let action = place(&Action::ALL, row.get(2)?)?;
        let (element, upstream) = match action {
            Action::StepEnded => (None, self.of(run, item)?),
            Action::StepsAdded => (None, None),
            _ => (item, None),
        };
        let phase = |at: usize| {
            let number: Option<i64> = row.get(at)?;
            number.map(|number| place(&Phase::ALL, number)).transpose()
        };
        Ok(AuditRecord {
            seq: row.get::<_, i64>(0)? as u64,
            at: Timestamp(row.get::<_, i64>(1)? as u64),
            action,
            actor: row
                .get::<_, Option<String>>(3)?
                .unwrap_or_else(|| SYSTEM_ACTOR.to_owned()),
            run,
            step: self.of(run, number)?,
            number,
            element,
            upstream,
            task: row
                .get::<_, Option<i64>>(7)?
                .map(|key| Key::from_raw(key as u64)),
            attempt: row.get(8)?,
            from: phase(9)?,
            to: phase(10)?,
            reason: row.get::<_, Option<String>>(11)?.unwrap_or_default(),
            subject: row.get(12)?,
            note: row.get::<_, Option<String>>(13)?.unwrap_or_default(),
        })
    }
}

fn place<T: Copy>(all: &[T], number: i64) -> rusqlite::Result<T> {
    let found = usize::try_from(number).ok().and_then(|at| all.get(at));
    found.copied().ok_or_else(|| {
        let what = format!("{number} is none of {}", all.len()).into();
        rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, what)
    })
}

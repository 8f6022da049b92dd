//! Reading the audit trail, oldest first.

use std::collections::HashMap;
use std::sync::Arc;

use capataz_engine::{Attempt, Graph, Key, Phase, RunId, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension};

use super::audit_part::{AuditPart, COLUMNS, Line};
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
        let from = match filter.since {
            Some(since) => before(&transaction, since)?.max(filter.after as i64 + 1),
            None => filter.after as i64 + 1,
        };
        // A line may be in a row that begins before it: in that of its run, or in one of its part.
        let of_run = "run = ?1 AND first >= coalesce(
            (SELECT max(first) FROM audit WHERE run = ?1 AND first <= ?2), ?2)";
        let of_all = "?1 IS NULL AND first >= coalesce(
            (SELECT part FROM audit WHERE first <= ?2 ORDER BY first DESC LIMIT 1), ?2)";
        let wanted = match filter.run {
            Some(_) => of_run,
            None => of_all,
        };
        let sql = format!("SELECT {COLUMNS} FROM audit WHERE {wanted} ORDER BY first");
        let mut statement = transaction.prepare_cached(&sql)?;
        let mut rows = statement.query((filter.run.map(|run| run.0 as i64), from))?;
        let mut lines = Lines::new(&transaction, filter, from as u64);
        let mut part = None;
        while let Some(row) = rows.next()? {
            let row = AuditPart::read(row)?;
            if part.replace(row.part) != Some(row.part) && lines.settle() {
                break;
            }
            lines.add(&row)?;
        }
        Ok(lines.finish())
    }

    /// The number of the last line that was written; 0 before the first.
    pub fn last_audit(&self) -> Result<u64, ReadError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached("SELECT next_audit FROM meta")?;
        let next: i64 = statement.query_row([], |row| row.get(0))?;
        Ok(next as u64 - 1)
    }
}

/// A number before which no line came at `since` or later. Rows are in the order of the times of
/// their first lines, so it is found by halving, and no index is needed.
fn before(connection: &Connection, since: Timestamp) -> rusqlite::Result<i64> {
    let sql = "SELECT first, at FROM audit WHERE first >= ? ORDER BY first LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let last = "SELECT max(first) FROM audit WHERE first < ?";
    let mut last = connection.prepare_cached(last)?;
    let mut last = |end: i64| last.query_row([end], |row| row.get::<_, Option<i64>>(0));
    let (mut low, mut high) = (1, last(i64::MAX)?.unwrap_or(0) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = statement.query_row([middle], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        });
        match found.optional()? {
            Some((first, at)) if (at as u64) < since.0 => low = first + 1,
            _ => high = middle,
        }
    }
    // Only the first line of the row before is known to be older.
    Ok(last(low)?.unwrap_or(1))
}

/// Lines that are asked for, part by part: within one they come row by row.
struct Lines<'c> {
    names: StepNames<'c>,
    filter: AuditFilter,
    from: u64,
    records: Vec<AuditRecord>,
    /// How many of them are in order.
    settled: usize,
    /// A line was seen that is too late, and so are all of the parts to come.
    over: bool,
}

impl<'c> Lines<'c> {
    fn new(connection: &'c Connection, filter: &AuditFilter, from: u64) -> Lines<'c> {
        let graphs = HashMap::new();
        Lines {
            names: StepNames { connection, graphs },
            filter: *filter,
            from,
            records: Vec::new(),
            settled: 0,
            over: false,
        }
    }

    /// Adds what is asked for of a row.
    fn add(&mut self, row: &AuditPart) -> rusqlite::Result<()> {
        let AuditFilter { since, until, .. } = self.filter;
        row.each(|seq, at, line| {
            if until.is_some_and(|until| at >= until) {
                self.over = true;
            } else if seq >= self.from && since.is_none_or(|since| at >= since) {
                let record = self.names.record(row.run, (seq, at), line)?;
                self.records.push(record);
            }
            Ok(())
        })
    }

    /// A part is complete. Says whether nothing more is needed.
    fn settle(&mut self) -> bool {
        self.records[self.settled..].sort_unstable_by_key(|record| record.seq);
        self.settled = self.records.len();
        self.over || self.settled >= self.filter.limit
    }

    fn finish(mut self) -> Vec<AuditRecord> {
        self.settle();
        self.records.truncate(self.filter.limit);
        self.records
    }
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

    /// Puts names to a line.
    fn record(
        &mut self,
        run: Option<RunId>,
        (seq, at): (u64, Timestamp),
        line: &Line<'_>,
    ) -> rusqlite::Result<AuditRecord> {
        let action = action(line.action)?;
        let (element, upstream) = match action {
            Action::StepEnded => (None, self.of(run, line.item)?),
            Action::StepsAdded => (None, None),
            _ => (line.item, None),
        };
        Ok(AuditRecord {
            seq,
            at,
            action,
            actor: line.actor.unwrap_or(SYSTEM_ACTOR).to_owned(),
            run,
            step: self.of(run, line.step)?,
            number: line.step,
            element,
            upstream,
            task: line.task,
            attempt: line.attempt,
            from: line.was,
            to: line.now,
            reason: line.reason.to_owned(),
            subject: line.subject.map(str::to_owned),
            note: line.note.to_owned(),
        })
    }
}

/// The action at a place among all.
fn action(place: u8) -> rusqlite::Result<Action> {
    let found = Action::ALL.get(usize::from(place)).copied();
    found.ok_or_else(|| {
        let what = format!("{place} is none of {}", Action::ALL.len()).into();
        rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, what)
    })
}

//! Retention: the oldest finished tasks go, in steps that keep nobody waiting for long.
//!
//! It is not journaled: a store that is made anew from the journal has them back, and retention
//! removes them again. What is live is never touched.

use std::time::Duration;

use capataz_engine::{Key, RunId, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::counts;
use super::database::Fault;
use super::logs::LogStore;
use super::project::{ProjectError, Projector};
use super::retain_runs;
use super::row::{Counts, Row};
use super::tally::{TagIds, Tally};
use super::task::stored_row;

/// Tasks that one step looks at: about a tenth of a second when all of them go.
const STEP: usize = 10_000;
/// Rows of elements and attempts that one step removes.
const ELEMENTS_STEP: usize = 10_000;

/// Where retention stands.
#[derive(Debug, Default)]
pub(super) struct Retained {
    /// The first task that this pass has not looked at.
    from: i64,
    /// Runs were looked at in this pass.
    runs_marked: bool,
    /// Opened with the first task that goes.
    logs: Option<LogStore>,
}

/// What one step found.
#[derive(Default)]
struct Step {
    removed: Vec<TaskId>,
    done: bool,
}

/// How much is kept of what has ended.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// For how long.
    pub max_age: Duration,
    /// How many tasks, elements counted one by one.
    pub max_tasks: u64,
    /// How many runs, each with all of its tasks.
    pub max_runs: u64,
}

impl Projector {
    /// One step of removing tasks that finished longer ago than they are kept, and then the oldest
    /// (by accept order) while there are too many. Returns whether the pass is over; if not, the
    /// next step should follow soon.
    ///
    /// With a task go its body, attempts, tags, logs, and, over several steps, its elements. Tasks
    /// of steps go with their runs: when these ended that long ago, the oldest when too many runs
    /// have ended, or when it would have been the turn of one of their tasks. Workers' names go
    /// when they left that long ago.
    pub fn retain(&mut self, now: Timestamp, keep: &Keep) -> Result<bool, ProjectError> {
        let max_age = u64::try_from(keep.max_age.as_micros()).unwrap_or(u64::MAX);
        let cutoff = now.0.saturating_sub(max_age) as i64;
        self.begin()?;
        let step = self.step(cutoff, keep);
        let committed = step.and_then(|step| {
            self.connection.execute_batch("COMMIT")?;
            Ok(step)
        });
        let step = committed.map_err(|error| self.roll_back(error))?;
        self.empty_large_wal()?;
        if !step.removed.is_empty() {
            self.remove_logs(&step.removed);
            self.tags.forget();
        }
        if step.done {
            self.retained.from = 0;
            self.retained.runs_marked = false;
        }
        Ok(step.done)
    }

    fn step(&mut self, cutoff: i64, keep: &Keep) -> rusqlite::Result<Step> {
        let connection = &self.connection;
        if remove_doomed(connection)? {
            return Ok(Step::default());
        }
        if !self.retained.runs_marked {
            let marked = retain_runs::doom_runs(connection, cutoff, keep.max_runs)?;
            self.retained.runs_marked = !marked;
        }
        if let Some(run) = retain_runs::next_doomed(connection)? {
            let mut step = Step::default();
            remove_run(connection, run, &mut self.tags, &mut step)?;
            return Ok(step);
        }
        let finished = counts::total(connection)?.finished();
        let mut excess = finished.saturating_sub(keep.max_tasks);
        let mut step = Step::default();
        let mut tally = Tally::default();
        let candidates = candidates(connection, self.retained.from)?;
        step.done = candidates.len() < STEP;
        for candidate in candidates {
            // Nothing that was accepted later can have finished earlier.
            if candidate.submitted_at >= cutoff && excess == 0 {
                step.done = true;
                break;
            }
            self.retained.from = candidate.key + 1;
            let old = candidate.finished_at.is_some_and(|at| at < cutoff);
            if candidate.finished_at.is_none() || !(old || excess > 0) {
                continue;
            }
            let key = Key::from_raw(candidate.key as u64);
            if let Some(row) = readable(connection, key)? {
                if let Some(of) = row.step {
                    // It goes with its run, in the steps that follow.
                    if excess > 0 {
                        excess -= 1;
                        retain_runs::doom_run_of(connection, of.run)?;
                    }
                    continue;
                }
                let units: u32 = row.counts().iter().sum();
                excess = excess.saturating_sub(u64::from(units));
                remove(connection, key, &row, &mut self.tags, &mut tally)?;
                step.removed.push(key.task());
            }
        }
        tally.flush(connection)?;
        tally.drop_empty_tags(connection)?;
        let doomed = connection
            .prepare_cached("SELECT 1 FROM doomed")?
            .exists([])?;
        step.done &= !doomed && retain_runs::next_doomed(connection)?.is_none();
        if step.done {
            retain_runs::forget_unused(connection, cutoff)?;
            let sql = "DELETE FROM worker WHERE left_at < ?";
            connection.prepare_cached(sql)?.execute([cutoff])?;
        }
        Ok(step)
    }

    /// Logs are worth no failure: what stays behind costs room, which is said.
    fn remove_logs(&mut self, tasks: &[TaskId]) {
        let result = match &self.retained.logs {
            Some(logs) => logs.remove(tasks),
            None => LogStore::open(self.dir()).and_then(|logs| {
                logs.remove(tasks)?;
                self.retained.logs = Some(logs);
                Ok(())
            }),
        };
        if let Err(error) = result {
            tracing::warn!(%error, "logs of removed tasks stay");
        }
    }
}

/// Removes some of a run that is to go: first its tasks, then the rest.
fn remove_run(
    connection: &Connection,
    run: RunId,
    tags: &mut TagIds,
    step: &mut Step,
) -> rusqlite::Result<()> {
    let sql = "SELECT key FROM task WHERE run = ? LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map((run.0 as i64, STEP as i64), |row| row.get::<_, i64>(0))?;
    let keys: Vec<i64> = found.collect::<rusqlite::Result<_>>()?;
    let mut tally = Tally::default();
    for key in &keys {
        let key = Key::from_raw(*key as u64);
        match readable(connection, key)? {
            Some(row) => {
                remove(connection, key, &row, tags, &mut tally)?;
                step.removed.push(key.task());
            }
            // It stays as evidence, and is no reason for the run to stay.
            None => {
                let sql = "UPDATE task SET run = NULL WHERE key = ?";
                connection
                    .prepare_cached(sql)?
                    .execute([key.to_raw() as i64])?;
            }
        }
    }
    tally.flush(connection)?;
    tally.drop_empty_tags(connection)?;
    if keys.is_empty() {
        retain_runs::remove_rows(connection, run)?;
    }
    Ok(())
}

struct Candidate {
    key: i64,
    submitted_at: i64,
    finished_at: Option<i64>,
}

fn candidates(connection: &Connection, from: i64) -> rusqlite::Result<Vec<Candidate>> {
    let sql = "SELECT key, submitted_at, finished_at FROM task WHERE key >= ? ORDER BY key LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let candidates = statement.query_map((from, STEP as i64), |row| {
        Ok(Candidate {
            key: row.get(0)?,
            submitted_at: row.get(1)?,
            finished_at: row.get(2)?,
        })
    })?;
    candidates.collect()
}

/// The row of a task; `None` for one that is damaged. That one stays: it is evidence, and no reason
/// to stop.
fn readable(connection: &Connection, key: Key) -> rusqlite::Result<Option<Row>> {
    stored_row(connection, key).or_else(|error| match Fault::from(error) {
        Fault::Damaged(error) => {
            tracing::error!(task = %key, %error, "retention leaves a damaged task alone");
            Ok(None)
        }
        Fault::NoSpace(error) | Fault::Failed(error) => Err(error),
    })
}

fn remove(
    connection: &Connection,
    key: Key,
    row: &Row,
    tags: &mut TagIds,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let raw = key.to_raw() as i64;
    let (was, now) = (row.counts(), Counts::default());
    tally.group(row.group, &was, &now);
    for tag in &row.labels.tags {
        let tag = tags.of(connection, tag)?;
        tally.tag(tag, &was, &now);
        let sql = "DELETE FROM task_tag WHERE tag = ? AND key = ?";
        connection.prepare_cached(sql)?.execute((tag, raw))?;
    }
    if row.array.is_some() {
        let (first, last) = (raw + 1, TaskId(key.task().0 + 1).key().to_raw() as i64 - 1);
        let sql = "INSERT OR REPLACE INTO doomed (first, last) VALUES (?, ?)";
        connection.prepare_cached(sql)?.execute((first, last))?;
    }
    connection
        .prepare_cached("DELETE FROM attempt WHERE key = ?")?
        .execute([raw])?;
    let body = key.task().0 as i64;
    connection
        .prepare_cached("DELETE FROM body WHERE id = ?")?
        .execute([body])?;
    connection
        .prepare_cached("DELETE FROM task WHERE key = ?")?
        .execute([raw])?;
    Ok(())
}

/// Removes some of what is left of arrays that are gone; false when nothing is.
fn remove_doomed(connection: &Connection) -> rusqlite::Result<bool> {
    let mut find = connection.prepare_cached("SELECT first, last FROM doomed LIMIT 1")?;
    let range = find.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    let Some((first, last)) = range.optional()? else {
        return Ok(false);
    };
    let limit = ELEMENTS_STEP as i64;
    for sql in [
        "DELETE FROM element WHERE key IN
            (SELECT key FROM element WHERE key BETWEEN ? AND ? LIMIT ?)",
        "DELETE FROM attempt WHERE (key, attempt) IN
            (SELECT key, attempt FROM attempt WHERE key BETWEEN ? AND ? LIMIT ?)",
    ] {
        if connection
            .prepare_cached(sql)?
            .execute((first, last, limit))?
            > 0
        {
            return Ok(true);
        }
    }
    connection
        .prepare_cached("DELETE FROM doomed WHERE first = ?")?
        .execute([first])?;
    Ok(true)
}

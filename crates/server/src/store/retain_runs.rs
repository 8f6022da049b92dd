//! Retention of runs: they go whole, with their steps, tasks and lines of the audit trail, and
//! versions of workflows that no run follows any more go with the last of them.
//!
//! Tasks of steps never go by themselves: as long as a run is there, all of it is.

use capataz_engine::{RunId, RunPhase, WorkflowId};
use rusqlite::{Connection, OptionalExtension};

use super::run_sql;
use super::step_times;
use crate::workflow::RunBody;

/// Runs that one step looks at.
const STEP: usize = 1_000;
/// Lines of the audit trail, steps and such that one step removes.
const ROWS_STEP: usize = 10_000;
/// Versions that one step looks at.
const VERSIONS_STEP: usize = 1_000;

/// Marks runs that ended before `cutoff`, and the oldest while more than `most` are left. They go
/// in the steps that follow.
pub(super) fn doom_runs(connection: &Connection, cutoff: i64, most: u64) -> rusqlite::Result<bool> {
    let ended = RunPhase::ALL.into_iter().filter(|phase| !phase.is_live());
    let mut marked = false;
    let mut finished = 0;
    for phase in ended.clone() {
        let sql = "SELECT count(*) FROM run WHERE state = ?";
        let count: i64 = connection
            .prepare_cached(sql)?
            .query_row([phase as i64], |row| row.get(0))?;
        finished += count as u64;
    }
    let excess = finished.saturating_sub(most) as i64;
    for phase in ended {
        // The oldest by accept order; what was accepted later cannot have ended earlier than that.
        let sql = "INSERT OR IGNORE INTO doomed_run
            SELECT id FROM run WHERE state = ?1 AND finished_at < ?2 AND submitted_at < ?2
            ORDER BY id LIMIT ?3";
        let values = (phase as i64, cutoff, STEP as i64);
        marked |= connection.prepare_cached(sql)?.execute(values)? > 0;
    }
    if excess > 0 {
        let sql = "INSERT OR IGNORE INTO doomed_run
            SELECT id FROM run WHERE state NOT IN (?1, ?2) ORDER BY id LIMIT ?3";
        let (queued, running) = (RunPhase::Queued as i64, RunPhase::Running as i64);
        let values = (queued, running, excess.min(STEP as i64));
        marked |= connection.prepare_cached(sql)?.execute(values)? > 0;
    }
    Ok(marked)
}

/// Marks the run of a task that has to go for the bound on finished tasks, unless it lives.
pub(super) fn doom_run_of(connection: &Connection, run: RunId) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO doomed_run
        SELECT id FROM run WHERE id = ? AND state NOT IN (?, ?)";
    let (queued, running) = (RunPhase::Queued as i64, RunPhase::Running as i64);
    let values = (run.0 as i64, queued, running);
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The next run that is to go. One that lives again meanwhile stays.
pub(super) fn next_doomed(connection: &Connection) -> rusqlite::Result<Option<RunId>> {
    let sql = "DELETE FROM doomed_run WHERE run IN
        (SELECT id FROM run JOIN doomed_run ON id = run WHERE state IN (?, ?))";
    let live = (RunPhase::Queued as i64, RunPhase::Running as i64);
    connection.prepare_cached(sql)?.execute(live)?;
    let sql = "SELECT run FROM doomed_run ORDER BY run LIMIT 1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get::<_, i64>(0));
    Ok(found.optional()?.map(|run| RunId(run as u64)))
}

/// Removes some of what is left of a run whose tasks are gone; false when nothing is.
pub(super) fn remove_rows(connection: &Connection, run: RunId) -> rusqlite::Result<bool> {
    let id = run.0 as i64;
    let rows = [
        "DELETE FROM audit WHERE first IN (SELECT first FROM audit WHERE run = ? LIMIT ?)",
        "DELETE FROM run_step WHERE (run, step) IN
            (SELECT run, step FROM run_step WHERE run = ? LIMIT ?)",
    ];
    for sql in rows {
        if connection
            .prepare_cached(sql)?
            .execute((id, ROWS_STEP as i64))?
            > 0
        {
            return Ok(true);
        }
    }
    forget(connection, run)?;
    Ok(false)
}

/// Removes the run itself.
fn forget(connection: &Connection, run: RunId) -> rusqlite::Result<()> {
    let id = run.0 as i64;
    if let Some(row) = run_sql::read_run(connection, run)? {
        for tag in RunBody::read(&row.body).tags {
            let sql = "DELETE FROM run_tag WHERE tag = ? AND run = ?";
            connection.prepare_cached(sql)?.execute((tag, id))?;
        }
        let sql = "UPDATE workflow_version SET runs = runs - 1
            WHERE workflow = ? AND number = ?";
        let version = (row.workflow.0, row.version);
        connection.prepare_cached(sql)?.execute(version)?;
    }
    for sql in [
        "DELETE FROM run_version WHERE run = ?",
        "DELETE FROM run_archive WHERE run = ?",
        "DELETE FROM run WHERE id = ?",
        "DELETE FROM doomed_run WHERE run = ?",
    ] {
        connection.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

/// Forgets versions that came before `cutoff`, are not registered, and have no run; workflows that
/// have no version left; and what callers did before then to anything but runs.
pub(super) fn forget_unused(connection: &Connection, cutoff: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM workflow_version WHERE rowid IN (
        SELECT v.rowid FROM workflow_version v JOIN workflow w ON w.id = v.workflow
        WHERE v.runs <= 0 AND v.stored_at < ? AND w.registered IS NOT v.number LIMIT ?)";
    let values = (cutoff, VERSIONS_STEP as i64);
    if connection.prepare_cached(sql)?.execute(values)? > 0 {
        let sql = "SELECT id, name FROM workflow WHERE registered IS NULL
            AND NOT EXISTS (SELECT 1 FROM workflow_version v WHERE v.workflow = workflow.id)";
        let mut statement = connection.prepare_cached(sql)?;
        let unused = statement.query_map([], |row| Ok((WorkflowId(row.get(0)?), row.get(1)?)))?;
        let unused: Vec<(WorkflowId, String)> = unused.collect::<rusqlite::Result<_>>()?;
        for (id, name) in unused {
            let sql = "DELETE FROM workflow WHERE id = ?";
            connection.prepare_cached(sql)?.execute([id.0])?;
            let sql = "SELECT 1 FROM workflow WHERE name = ?";
            if !connection.prepare_cached(sql)?.exists([&name])? {
                step_times::forget(connection, &name)?;
            }
        }
    }
    let sql = "DELETE FROM audit WHERE first IN
        (SELECT first FROM audit WHERE run IS NULL AND last_at < ? ORDER BY first LIMIT ?)";
    let values = (cutoff, ROWS_STEP as i64);
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

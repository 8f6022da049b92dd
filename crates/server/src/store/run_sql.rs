//! Rows of runs and steps to SQL and back: one value each, under a checksum, beside the few columns
//! that lists look for.

use capataz_engine::RunId;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::run_row::{RunRow, StepRow};

/// A row whose checksum or value is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("the row of {0} is damaged")]
struct RowDamage(String);

fn encode(key: &[u8], row: &impl Serialize) -> (i64, Vec<u8>) {
    // Texts and numbers are always written.
    let value = postcard::to_stdvec(row).unwrap_or_default();
    (super::entries::checksum(key, &value), value)
}

fn decode<T: DeserializeOwned>(
    key: &[u8],
    crc: i64,
    value: &[u8],
    what: impl FnOnce() -> String,
) -> rusqlite::Result<T> {
    let whole = super::entries::checksum(key, value) == crc;
    let row = whole.then(|| postcard::from_bytes(value).ok()).flatten();
    row.ok_or_else(|| {
        let damage = RowDamage(what());
        rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(damage))
    })
}

/// What says that something kept of a run is not what was written.
pub(super) fn damaged(run: RunId) -> rusqlite::Error {
    let damage = RowDamage(run.to_string());
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(damage))
}

fn step_key(run: RunId, step: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&run.0.to_le_bytes());
    key[8..].copy_from_slice(&step.to_le_bytes());
    key
}

/// A run; `None` for one that the store does not have.
pub(super) fn read_run(connection: &Connection, run: RunId) -> rusqlite::Result<Option<RunRow>> {
    let mut statement = connection.prepare_cached("SELECT crc, v FROM run WHERE id = ?")?;
    let found = statement.query_row([run.0 as i64], |row| {
        let value = row.get_ref(1)?.as_blob()?;
        decode(&run.0.to_le_bytes(), row.get(0)?, value, || run.to_string())
    });
    found.optional()
}

pub(super) fn write_run(connection: &Connection, run: RunId, row: &RunRow) -> rusqlite::Result<()> {
    let (crc, value) = encode(&run.0.to_le_bytes(), row);
    let (id, state) = (run.0 as i64, row.phase as i64);
    // Mostly a live run's counts have changed, and nothing that is in a column or an index.
    let sql = "UPDATE run SET crc = ?, v = ? WHERE id = ? AND state = ?";
    let mut update = connection.prepare_cached(sql)?;
    if row.phase.is_live() && update.execute((crc, &value, id, state))? > 0 {
        return Ok(());
    }
    let sql = "INSERT OR REPLACE INTO run
        (id, workflow, state, submitted_at, finished_at, crc, v) VALUES (?, ?, ?, ?, ?, ?, ?)";
    let finished_at = row.finished_at.map(|at| at.0 as i64);
    let at = row.submitted_at.0 as i64;
    let values = params![id, row.workflow.0, state, at, finished_at, crc, value];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// A step that something has happened to.
pub(super) fn read_step(
    connection: &Connection,
    run: RunId,
    step: u32,
) -> rusqlite::Result<Option<StepRow>> {
    let sql = "SELECT step, crc, v FROM run_step WHERE run = ? AND step = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row((run.0 as i64, step), |row| of_row(run, row));
    Ok(found.optional()?.map(|(_, step)| step))
}

/// The steps of a run in a range of numbers that something has happened to, with their numbers.
pub(super) fn read_steps(
    connection: &Connection,
    run: RunId,
    steps: std::ops::Range<u32>,
) -> rusqlite::Result<Vec<(u32, StepRow)>> {
    let sql = "SELECT step, crc, v FROM run_step
        WHERE run = ? AND step >= ? AND step < ? ORDER BY step";
    let mut statement = connection.prepare_cached(sql)?;
    let range = (run.0 as i64, steps.start, steps.end);
    let rows = statement.query_map(range, |row| of_row(run, row))?;
    rows.collect()
}

fn of_row(run: RunId, row: &rusqlite::Row<'_>) -> rusqlite::Result<(u32, StepRow)> {
    let step = row.get(0)?;
    let value = row.get_ref(2)?.as_blob()?;
    let what = || format!("step {step} of run {run}");
    let read = decode(&step_key(run, step), row.get(1)?, value, what)?;
    Ok((step, read))
}

/// Writes steps, which come in the order of their keys.
pub(super) fn write_steps<'s>(
    connection: &Connection,
    steps: impl Iterator<Item = (RunId, u32, &'s StepRow)>,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO run_step (run, step, crc, v) VALUES (?, ?, ?, ?)";
    let mut statement = connection.prepare_cached(sql)?;
    for (run, step, row) in steps {
        let (crc, value) = encode(&step_key(run, step), row);
        statement.execute(params![run.0 as i64, step, crc, value])?;
    }
    Ok(())
}

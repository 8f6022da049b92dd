//! The elements of an array, in the order of their indexes. Those that nothing has happened to
//! have no rows: they are made up from the array's.

use capataz_engine::{Key, Phase, TaskId};
use rusqlite::Connection;

use super::cursor::Cursor;
use super::list::Page;
use super::reader::{ReadError, Reader};
use super::row::Row;
use super::task::{find_row, record, stored_row};

/// Indexes that one call looks at: some tens of milliseconds.
const SCAN: u32 = 100_000;

impl Reader {
    /// A page of an array's elements in any of `states` (empty: all), by index; `None` when
    /// `array` is no array that the store has. A page may be short, or empty, and have a cursor.
    pub fn elements(
        &self,
        array: TaskId,
        states: &[Phase],
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Option<Page>, ReadError> {
        let connection = self.connection()?;
        let transaction = connection.unchecked_transaction()?;
        let Some(row) = stored_row(&transaction, array.key())? else {
            return Ok(None);
        };
        let Some(count) = row.array.as_ref().map(|of| of.count) else {
            return Ok(None);
        };
        let first = match after.filter(|cursor| cursor.0.task() == array) {
            Some(cursor) => cursor.0.index().map_or(0, |index| index + 1),
            None => 0,
        };
        let end = count.min(first.saturating_add(SCAN));
        let (keys, next) = match_elements(&transaction, array, &row, states, first..end, limit)?;
        let mut items = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(row) = find_row(&transaction, key)? {
                items.push(record(&transaction, key, row)?);
            }
        }
        let cursor = (next < count).then(|| Cursor(array.element(next - 1)));
        Ok(Some(Page { items, cursor }))
    }
}

/// Keys among `indexes` whose state is wanted, and the index after the last one looked at.
fn match_elements(
    connection: &Connection,
    array: TaskId,
    row: &Row,
    states: &[Phase],
    indexes: std::ops::Range<u32>,
    limit: usize,
) -> rusqlite::Result<(Vec<Key>, u32)> {
    let wanted = |phase: Phase| states.is_empty() || states.contains(&phase);
    let rest = row.array.as_ref().is_some_and(|of| wanted(of.rest.phase));
    let sql = "SELECT key, state FROM element WHERE key >= ? AND key < ? ORDER BY key";
    let mut statement = connection.prepare_cached(sql)?;
    let bound = |index: u32| array.element(index).to_raw() as i64;
    let mut rows = statement.query((bound(indexes.start), bound(indexes.end)))?;
    let mut touched = rows.next()?.map(state_of).transpose()?;
    let mut keys = Vec::new();
    for index in indexes.clone() {
        let key = array.element(index);
        let fits = match touched {
            Some((at, phase)) if at == key => {
                touched = rows.next()?.map(state_of).transpose()?;
                wanted(phase)
            }
            _ => rest,
        };
        if fits {
            keys.push(key);
        }
        if keys.len() >= limit {
            return Ok((keys, index + 1));
        }
    }
    Ok((keys, indexes.end.max(1)))
}

fn state_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Key, Phase)> {
    let key = Key::from_raw(row.get::<_, i64>(0)? as u64);
    let state: i64 = row.get(1)?;
    let phase = Phase::ALL.get(state as usize).copied();
    let phase = phase.ok_or(rusqlite::Error::IntegralValueOutOfRange(1, state))?;
    Ok((key, phase))
}

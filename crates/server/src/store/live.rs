//! What has not ended yet: what `wait` waits for.

use capataz_engine::{Key, Phase, Reason};
use rusqlite::Connection;

use super::counts::of_tag;
use super::list::{group_id, tag_id};
use super::reader::{ReadError, Reader};
use super::task::find_row;

/// Tagged tasks that one call looks at: some tens of milliseconds.
const SCAN: usize = 100_000;

/// Which tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector<'a> {
    /// Those of a group.
    Group(&'a str),
    /// Those with a tag.
    Tag(&'a str),
}

/// Live tasks, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveKeys {
    /// Tasks and arrays, never single elements.
    pub keys: Vec<Key>,
    /// Where to ask next; `None` when there are no more. There may be more although `keys` is
    /// empty.
    pub next: Option<Key>,
}

impl Reader {
    /// Tasks of `selector` that have not ended, from `from` on, at most `limit` (at least 1).
    ///
    /// A caller that waits asks again from the first of these: tasks below it have ended, unless
    /// an operator revived one.
    pub fn live_keys(
        &self,
        selector: Selector<'_>,
        from: Key,
        limit: usize,
    ) -> Result<LiveKeys, ReadError> {
        let connection = self.connection()?;
        let from = from.to_raw() as i64;
        let found = match selector {
            Selector::Group(name) => match group_id(&connection, name)? {
                Some(group) => of_group(&connection, group.0, from, limit)?,
                None => LiveKeys::default(),
            },
            Selector::Tag(name) => match tag_id(&connection, name)? {
                Some(tag) if of_tag(&connection, tag)?.live() > 0 => {
                    tagged(&connection, tag, from, limit)?
                }
                _ => LiveKeys::default(),
            },
        };
        Ok(found)
    }

    /// The states of tasks, arrays or elements, in the order of `keys`; `None` for one that the
    /// store does not have.
    pub fn states(&self, keys: &[Key]) -> Result<Vec<Option<(Phase, Reason)>>, ReadError> {
        let connection = self.connection()?;
        let transaction = connection.unchecked_transaction()?;
        let state = |key: &Key| {
            let row = find_row(&transaction, *key)?;
            Ok(row.map(|row| (row.phase, row.reason)))
        };
        Ok(keys.iter().map(state).collect::<rusqlite::Result<_>>()?)
    }
}

fn of_group(
    connection: &Connection,
    group: u32,
    from: i64,
    limit: usize,
) -> rusqlite::Result<LiveKeys> {
    let sql = "SELECT key FROM task WHERE grp = ? AND state = ? AND key >= ? ORDER BY key LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut keys = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| phase.is_live()) {
        let mut rows = statement.query((group, phase as i64, from, limit as i64))?;
        while let Some(row) = rows.next()? {
            keys.push(Key::from_raw(row.get::<_, i64>(0)? as u64));
        }
    }
    keys.sort_unstable();
    let more = keys.len() >= limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|last| after(*last));
    Ok(LiveKeys { keys, next })
}

fn tagged(
    connection: &Connection,
    tag: i64,
    from: i64,
    limit: usize,
) -> rusqlite::Result<LiveKeys> {
    let sql = "SELECT l.key, t.state FROM task_tag l JOIN task t ON t.key = l.key
        WHERE l.tag = ? AND l.key >= ? ORDER BY l.key";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((tag, from))?;
    let mut found = LiveKeys::default();
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        let key = Key::from_raw(row.get::<_, i64>(0)? as u64);
        let phase = Phase::ALL.get(row.get::<_, i64>(1)? as usize);
        if phase.is_some_and(|phase| phase.is_live()) {
            found.keys.push(key);
        }
        seen += 1;
        if found.keys.len() >= limit || seen >= SCAN {
            found.next = Some(after(key));
            break;
        }
    }
    Ok(found)
}

fn after(key: Key) -> Key {
    Key::from_raw(key.to_raw() + 1)
}

//! Lists of tasks, newest first. An array is one item; `elements.rs` lists what is in it.

use capataz_engine::{GroupId, Key, Phase, RunId, TaskId};
use rusqlite::{Connection, OptionalExtension, params};

use super::cursor::Cursor;
use super::reader::{ReadError, Reader};
use super::task::{TaskRecord, record, stored_row};

/// Rows that one call looks at when nothing but looking helps (tags with states): some tens of
/// milliseconds. The page is then short, and its cursor leads on.
const SCAN: usize = 100_000;

/// Which tasks to list. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// The name of a group; of an unknown one there are no tasks.
    pub group: Option<String>,
    /// Any of these states; empty: all.
    pub states: Vec<Phase>,
    /// A tag.
    pub tag: Option<String>,
    /// Those of the steps of a run.
    pub run: Option<RunId>,
    /// Only these tasks; empty: all. Unknown ones are left out.
    pub ids: Vec<TaskId>,
    /// Where the last page ended.
    pub after: Option<Cursor>,
    /// The most items to return.
    pub limit: usize,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The tasks. Fewer than the limit does not mean that this is the end.
    pub items: Vec<TaskRecord>,
    /// Where the next page begins; `None` at the end.
    pub cursor: Option<Cursor>,
}

/// Keys that match, newest first, and where to go on.
struct Found {
    keys: Vec<Key>,
    cursor: Option<Key>,
}

impl Reader {
    /// A page of tasks, newest (last accepted) first. Tasks that come meanwhile are not seen by
    /// later pages; one that changes its state meanwhile may be seen or not.
    pub fn list(&self, filter: &TaskFilter) -> Result<Page, ReadError> {
        let connection = self.connection()?;
        let transaction = connection.unchecked_transaction()?;
        let found = find(&transaction, filter)?;
        let mut items = Vec::with_capacity(found.keys.len());
        for key in found.keys {
            if let Some(row) = stored_row(&transaction, key)? {
                items.push(record(&transaction, key, row)?);
            }
        }
        let cursor = found.cursor.map(Cursor);
        Ok(Page { items, cursor })
    }
}

fn find(connection: &Connection, filter: &TaskFilter) -> rusqlite::Result<Found> {
    let nothing = Found {
        keys: Vec::new(),
        cursor: None,
    };
    let group = match &filter.group {
        None => None,
        Some(name) => match group_id(connection, name)? {
            Some(group) => Some(group),
            None => return Ok(nothing),
        },
    };
    let tag = match &filter.tag {
        None => None,
        Some(name) => match tag_id(connection, name)? {
            Some(tag) => Some(tag),
            None => return Ok(nothing),
        },
    };
    let before = filter
        .after
        .map_or(i64::MAX, |cursor| cursor.0.to_raw() as i64);
    let search = Search {
        connection,
        filter,
        group,
        tag,
        before,
    };
    if !filter.ids.is_empty() {
        return search.among_ids();
    }
    if let Some(run) = filter.run {
        return search.by_run(run);
    }
    match (tag, group.is_some() || !filter.states.is_empty()) {
        (Some(tag), _) => search.by_tag(tag),
        (None, true) => search.by_state(),
        (None, false) => search.all(),
    }
}

struct Search<'c> {
    connection: &'c Connection,
    filter: &'c TaskFilter,
    group: Option<GroupId>,
    tag: Option<i64>,
    before: i64,
}

impl Search<'_> {
    fn among_ids(&self) -> rusqlite::Result<Found> {
        let mut ids: Vec<TaskId> = self.filter.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        let keys = ids.iter().rev().map(|id| id.key());
        self.select(
            keys.filter(|key| (key.to_raw() as i64) < self.before)
                .map(Ok),
            usize::MAX,
        )
    }

    fn by_tag(&self, tag: i64) -> rusqlite::Result<Found> {
        let sql = "SELECT key FROM task_tag WHERE tag = ? AND key < ? ORDER BY key DESC";
        let mut statement = self.connection.prepare_cached(sql)?;
        let keys = statement.query_map((tag, self.before), key_of)?;
        self.select(keys, SCAN)
    }

    fn by_run(&self, run: RunId) -> rusqlite::Result<Found> {
        let sql = "SELECT key FROM task WHERE run = ? AND key < ? ORDER BY key DESC";
        let mut statement = self.connection.prepare_cached(sql)?;
        let keys = statement.query_map((run.0 as i64, self.before), key_of)?;
        self.select(keys, SCAN)
    }

    fn all(&self) -> rusqlite::Result<Found> {
        let sql = "SELECT key FROM task WHERE key < ? ORDER BY key DESC LIMIT ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = self.filter.limit as i64;
        let keys = statement.query_map((self.before, limit), key_of)?;
        self.page(keys.collect::<rusqlite::Result<_>>()?)
    }

    /// Merges the index's runs, one for each group and state.
    fn by_state(&self) -> rusqlite::Result<Found> {
        let groups = match self.group {
            Some(group) => vec![group],
            None => all_groups(self.connection)?,
        };
        let states = match self.filter.states.is_empty() {
            true => &Phase::ALL[..],
            false => &self.filter.states[..],
        };
        let sql = "SELECT key FROM task WHERE grp = ?1 AND state = ?2 AND key < ?3 AND key > ?4
            ORDER BY key DESC LIMIT ?5";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = self.filter.limit;
        let mut keys: Vec<Key> = Vec::new();
        // What is older than the oldest of a full page cannot be on it.
        let mut oldest = 0;
        for (group, state) in groups
            .iter()
            .flat_map(|g| states.iter().map(move |s| (g, s)))
        {
            let values = params![group.0, *state as i64, self.before, oldest, limit as i64];
            for key in statement.query_map(values, key_of)? {
                keys.push(key?);
            }
            keys.sort_unstable_by(|a, b| b.cmp(a));
            keys.dedup();
            keys.truncate(limit);
            if let (true, Some(last)) = (keys.len() == limit, keys.last()) {
                oldest = last.to_raw() as i64;
            }
        }
        self.page(keys)
    }

    /// A full page may have a successor.
    fn page(&self, keys: Vec<Key>) -> rusqlite::Result<Found> {
        let full = keys.len() >= self.filter.limit;
        let cursor = keys.last().copied().filter(|_| full);
        Ok(Found { keys, cursor })
    }

    /// Looks at up to `most` candidates and keeps those that match.
    fn select(
        &self,
        candidates: impl Iterator<Item = rusqlite::Result<Key>>,
        most: usize,
    ) -> rusqlite::Result<Found> {
        let mut look = self
            .connection
            .prepare_cached("SELECT grp, state FROM task WHERE key = ?")?;
        let mut tagged = self
            .connection
            .prepare_cached("SELECT 1 FROM task_tag WHERE tag = ? AND key = ?")?;
        let mut keys = Vec::new();
        for (seen, key) in candidates.enumerate() {
            let key = key?;
            let raw = key.to_raw() as i64;
            let row = look.query_row([raw], |row| {
                Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?))
            });
            let fits = row.optional()?.is_some_and(|(group, state)| {
                let states = &self.filter.states;
                self.group.is_none_or(|wanted| wanted.0 == group)
                    && (states.is_empty() || states.iter().any(|s| *s as i64 == state))
            });
            if fits && self.tag.map_or(Ok(true), |tag| tagged.exists((tag, raw)))? {
                keys.push(key);
            }
            if keys.len() >= self.filter.limit || seen + 1 >= most {
                let cursor = Some(key);
                return Ok(Found { keys, cursor });
            }
        }
        Ok(Found { keys, cursor: None })
    }
}

fn key_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key::from_raw(row.get::<_, i64>(0)? as u64))
}

pub(super) fn group_id(connection: &Connection, name: &str) -> rusqlite::Result<Option<GroupId>> {
    let mut statement = connection.prepare_cached("SELECT id FROM grp WHERE name = ?")?;
    statement
        .query_row([name], |row| Ok(GroupId(row.get(0)?)))
        .optional()
}

pub(super) fn tag_id(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM tag WHERE name = ?")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

fn all_groups(connection: &Connection) -> rusqlite::Result<Vec<GroupId>> {
    let mut statement = connection.prepare_cached("SELECT id FROM grp ORDER BY id")?;
    let groups = statement.query_map([], |row| Ok(GroupId(row.get(0)?)))?;
    groups.collect()
}

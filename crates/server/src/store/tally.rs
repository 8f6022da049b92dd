//! How many tasks of each group and tag are in each state, kept by differences: "how far is it?"
//! costs the same for ten tasks and for fifty million.

use std::collections::{BTreeMap, HashMap};

use capataz_engine::{GroupId, Phase};
use rusqlite::{Connection, OptionalExtension};

use super::row::Counts;

type Deltas = [i64; Phase::ALL.len()];

/// Tags whose numbers are remembered between transactions.
const TAGS_REMEMBERED: usize = 65_536;

/// Numbers of tags that were seen lately.
#[derive(Debug, Default)]
pub(super) struct TagIds {
    known: HashMap<String, i64>,
}

impl TagIds {
    /// The number of a tag; a new one gets the next.
    pub(super) fn of(&mut self, connection: &Connection, name: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.known.get(name) {
            return Ok(*id);
        }
        let mut select = connection.prepare_cached("SELECT id FROM tag WHERE name = ?")?;
        let found = select.query_row([name], |row| row.get(0)).optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                let mut insert = connection.prepare_cached("INSERT INTO tag (name) VALUES (?)")?;
                insert.insert([name])?
            }
        };
        if self.known.len() >= TAGS_REMEMBERED {
            self.known.clear();
        }
        self.known.insert(name.to_owned(), id);
        Ok(id)
    }

    /// After a rollback or a removal numbers may be gone.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}

/// What one transaction changes in the counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    groups: BTreeMap<u32, Deltas>,
    tags: BTreeMap<i64, Deltas>,
}

impl Tally {
    pub(super) fn group(&mut self, group: GroupId, was: &Counts, now: &Counts) {
        add(self.groups.entry(group.0).or_default(), was, now);
    }

    pub(super) fn tag(&mut self, tag: i64, was: &Counts, now: &Counts) {
        add(self.tags.entry(tag).or_default(), was, now);
    }

    pub(super) fn flush(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO grp_count (grp, state, n) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET n = n + ?3",
        )?;
        for (group, deltas) in &self.groups {
            for (state, n) in changed(deltas) {
                statement.execute((group, state, n))?;
            }
        }
        let mut statement = connection.prepare_cached(
            "INSERT INTO tag_count (tag, state, n) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET n = n + ?3",
        )?;
        for (tag, deltas) in &self.tags {
            for (state, n) in changed(deltas) {
                statement.execute((tag, state, n))?;
            }
        }
        Ok(())
    }

    /// Forgets tags of this transaction that no task has any more.
    pub(super) fn drop_empty_tags(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut left = connection.prepare_cached("SELECT 1 FROM task_tag WHERE tag = ? LIMIT 1")?;
        for tag in self.tags.keys() {
            if !left.exists([tag])? {
                connection
                    .prepare_cached("DELETE FROM tag_count WHERE tag = ?")?
                    .execute([tag])?;
                connection
                    .prepare_cached("DELETE FROM tag WHERE id = ?")?
                    .execute([tag])?;
            }
        }
        Ok(())
    }
}

fn add(deltas: &mut Deltas, was: &Counts, now: &Counts) {
    for ((delta, was), now) in deltas.iter_mut().zip(was).zip(now) {
        *delta += i64::from(*now) - i64::from(*was);
    }
}

fn changed(deltas: &Deltas) -> impl Iterator<Item = (i64, i64)> + '_ {
    let places = (0_i64..).zip(deltas.iter().copied());
    places.filter(|(_, n)| *n != 0)
}

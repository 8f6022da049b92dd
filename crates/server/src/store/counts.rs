//! How many tasks are in each state, without counting them.

use capataz_engine::Phase;
use rusqlite::Connection;

use super::list::{group_id, tag_id};
use super::reader::{ReadError, Reader};

/// How many of some tasks are in each state. Elements of arrays count one by one, arrays not at
/// all; tasks that retention removed no longer count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StateCounts {
    by_phase: [u64; Phase::ALL.len()],
}

impl StateCounts {
    /// Tasks in one state.
    pub fn of(&self, phase: Phase) -> u64 {
        self.by_phase[phase as usize]
    }

    /// Tasks that have not ended.
    pub fn live(&self) -> u64 {
        self.sum(Phase::is_live)
    }

    /// Tasks that have ended.
    pub fn finished(&self) -> u64 {
        self.sum(|phase| !phase.is_live())
    }

    fn sum(&self, wanted: impl Fn(Phase) -> bool) -> u64 {
        Phase::ALL
            .into_iter()
            .filter(|phase| wanted(*phase))
            .map(|phase| self.of(phase))
            .sum()
    }
}

impl Reader {
    /// The counts of a group by its name; all zero for one that is not known.
    pub fn group_counts(&self, group: &str) -> Result<StateCounts, ReadError> {
        let connection = self.connection()?;
        let group = group_id(&connection, group)?.map(|group| i64::from(group.0));
        let sql = "SELECT state, n FROM grp_count WHERE grp = ?";
        Ok(group.map_or(Ok(StateCounts::default()), |group| {
            counts(&connection, sql, [group])
        })?)
    }

    /// The counts of a tag; all zero for one that no task has.
    pub fn tag_counts(&self, tag: &str) -> Result<StateCounts, ReadError> {
        let connection = self.connection()?;
        let tag = tag_id(&connection, tag)?;
        Ok(tag.map_or(Ok(StateCounts::default()), |tag| of_tag(&connection, tag))?)
    }

    /// The counts of everything in the store.
    pub fn total_counts(&self) -> Result<StateCounts, ReadError> {
        Ok(total(&*self.connection()?)?)
    }
}

pub(super) fn of_tag(connection: &Connection, tag: i64) -> rusqlite::Result<StateCounts> {
    counts(
        connection,
        "SELECT state, n FROM tag_count WHERE tag = ?",
        [tag],
    )
}

pub(super) fn total(connection: &Connection) -> rusqlite::Result<StateCounts> {
    counts(
        connection,
        "SELECT state, sum(n) FROM grp_count GROUP BY state",
        [],
    )
}

fn counts(
    connection: &Connection,
    sql: &str,
    of: impl rusqlite::Params,
) -> rusqlite::Result<StateCounts> {
    let mut counts = StateCounts::default();
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(of)?;
    while let Some(row) = rows.next()? {
        let (state, n): (usize, i64) = (row.get::<_, i64>(0)? as usize, row.get(1)?);
        if let Some(count) = counts.by_phase.get_mut(state) {
            *count = u64::try_from(n).unwrap_or(0);
        }
    }
    Ok(counts)
}

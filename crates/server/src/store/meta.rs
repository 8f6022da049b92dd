//! The one row that says where the store stands.

use capataz_journal::{JournalId, Position};
use rusqlite::{Connection, OptionalExtension, params};

use super::schema::FORMAT;

/// Where the store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) format: i64,
    pub(super) journal: JournalId,
    pub(super) position: Position,
    /// The leadership of the last event.
    pub(super) epoch: u64,
    /// No task from this number on has been projected.
    pub(super) next_task: u64,
    /// How many entries there are.
    pub(super) entries: u64,
    /// The sum of all entries' checksums: a page that holds an older version of itself passes
    /// every other check.
    pub(super) seal: u64,
    /// The number of the next row of the audit trail: none is used twice.
    pub(super) next_audit: u64,
}

impl Meta {
    pub(super) fn new(journal: JournalId) -> Meta {
        Meta {
            format: FORMAT,
            journal,
            position: Position::ZERO,
            epoch: 0,
            next_task: 1,
            entries: 0,
            seal: 0,
            next_audit: 1,
        }
    }

    fn crc(&self) -> i64 {
        let mut crc = crc32c::crc32c(&self.journal.to_bytes());
        for number in [
            self.format as u64,
            self.position.get(),
            self.epoch,
            self.next_task,
            self.entries,
            self.seal,
            self.next_audit,
        ] {
            crc = crc32c::crc32c_append(crc, &number.to_le_bytes());
        }
        i64::from(crc)
    }

    /// `None` when the row is not there, or does not match its checksum.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Meta>> {
        let sql = "SELECT format, journal, position, epoch, next_task, entries, seal, next_audit,
            crc FROM meta WHERE id = 1";
        let mut statement = connection.prepare_cached(sql)?;
        let row = statement.query_row([], |row| {
            let meta = Meta {
                format: row.get(0)?,
                journal: JournalId::from_bytes(row.get(1)?),
                position: Position::new(row.get::<_, i64>(2)? as u64),
                epoch: row.get::<_, i64>(3)? as u64,
                next_task: row.get::<_, i64>(4)? as u64,
                entries: row.get::<_, i64>(5)? as u64,
                seal: row.get::<_, i64>(6)? as u64,
                next_audit: row.get::<_, i64>(7)? as u64,
            };
            Ok((row.get::<_, i64>(8)? == meta.crc()).then_some(meta))
        });
        Ok(row.optional()?.flatten())
    }

    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO meta
            (id, format, journal, position, epoch, next_task, entries, seal, next_audit, crc)
            VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        connection.prepare_cached(sql)?.execute(params![
            self.format,
            self.journal.to_bytes(),
            self.position.get() as i64,
            self.epoch as i64,
            self.next_task as i64,
            self.entries as i64,
            self.seal as i64,
            self.next_audit as i64,
            self.crc(),
        ])?;
        Ok(())
    }
}

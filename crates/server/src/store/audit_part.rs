//! Lines of the audit trail as rows. Lines about one run that are written together share a row: a
//! row, and its place in an index, costs several times as much as a line in it.

use capataz_engine::{Attempt, Key, Phase, RunId, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::audit_row::AuditRow;

/// Lines whose rows may lie across each other: whoever reads in order has as many in memory, and
/// sorts them.
pub(super) const PART_LINES: usize = 4_096;

/// The columns of a row, in the order in which it is read.
pub(super) const COLUMNS: &str = "first, part, run, at, last_at, crc, v";

/// A row whose checksum or lines are not what was written.
#[derive(Debug, thiserror::Error)]
#[error("lines of the audit trail from {0} on are damaged")]
struct PartDamage(u64);

/// Lines about one run, or about none, that are next to each other in its trail.
pub(super) struct AuditPart {
    /// The number of the first line in it.
    pub(super) first: u64,
    /// The number of the first line of its part: rows of one part lie across each other, parts
    /// follow each other.
    pub(super) part: u64,
    pub(super) run: Option<RunId>,
    /// When the first line in it came, and when the last one.
    at: Timestamp,
    last_at: Timestamp,
    lines: Vec<u8>,
}

/// A line in its row, which says the rest.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<'a> {
    /// How many lines it comes after the first one of its row.
    distance: u32,
    /// How many microseconds.
    later: u64,
    /// The place of its action among all.
    pub(super) action: u8,
    #[serde(borrow)]
    pub(super) actor: Option<&'a str>,
    pub(super) step: Option<u32>,
    pub(super) item: Option<u32>,
    pub(super) task: Option<Key>,
    pub(super) attempt: Option<Attempt>,
    pub(super) was: Option<Phase>,
    pub(super) now: Option<Phase>,
    pub(super) reason: &'a str,
    #[serde(borrow)]
    pub(super) subject: Option<&'a str>,
    pub(super) note: &'a str,
}

impl AuditPart {
    /// A row that begins with a line; it still has to be added.
    pub(super) fn new(part: u64, first: u64, line: &AuditRow) -> AuditPart {
        AuditPart {
            first,
            part,
            run: line.run,
            at: line.at,
            last_at: line.at,
            lines: Vec::new(),
        }
    }

    /// Adds the next line about the same run.
    pub(super) fn add(&mut self, seq: u64, line: &AuditRow, subject: Option<&str>) {
        let kept = Line {
            distance: (seq - self.first) as u32,
            later: line.at.0.saturating_sub(self.at.0),
            action: line.action as u8,
            actor: line.actor.as_deref(),
            step: line.step,
            item: line.item,
            task: line.task,
            attempt: line.attempt,
            was: line.was,
            now: line.now,
            reason: line.reason,
            subject,
            note: &line.note,
        };
        self.last_at = self.last_at.max(line.at);
        let written = postcard::to_io(&kept, &mut self.lines);
        debug_assert!(written.is_ok(), "texts and numbers are always written");
    }

    pub(super) fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT INTO audit (first, part, run, at, last_at, crc, v)
            VALUES (?, ?, ?, ?, ?, ?, ?)";
        let values = params![
            self.first as i64,
            self.part as i64,
            self.run.map(|run| run.0 as i64),
            self.at.0 as i64,
            self.last_at.0 as i64,
            self.crc(),
            self.lines,
        ];
        connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// Reads a row with [`COLUMNS`].
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<AuditPart> {
        let part = AuditPart {
            first: row.get::<_, i64>(0)? as u64,
            part: row.get::<_, i64>(1)? as u64,
            run: row.get::<_, Option<i64>>(2)?.map(|run| RunId(run as u64)),
            at: Timestamp(row.get::<_, i64>(3)? as u64),
            last_at: Timestamp(row.get::<_, i64>(4)? as u64),
            lines: row.get(6)?,
        };
        match row.get::<_, i64>(5)? == part.crc() {
            true => Ok(part),
            false => Err(part.damaged()),
        }
    }

    /// Looks at each line, in their order, with its number and its time.
    pub(super) fn each(
        &self,
        mut look: impl FnMut(u64, Timestamp, &Line<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut left = &self.lines[..];
        while !left.is_empty() {
            let read: Result<(Line<'_>, &[u8]), _> = postcard::take_from_bytes(left);
            let (line, rest) = read.map_err(|_| self.damaged())?;
            let seq = self.first + u64::from(line.distance);
            look(seq, Timestamp(self.at.0.saturating_add(line.later)), &line)?;
            left = rest;
        }
        Ok(())
    }

    fn crc(&self) -> i64 {
        let mut key = [0; 40];
        let run = self.run.map_or(0, |run| run.0);
        let numbers = [self.first, self.part, run, self.at.0, self.last_at.0];
        for (place, number) in key.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        super::entries::checksum(&key, &self.lines)
    }

    fn damaged(&self) -> rusqlite::Error {
        let damage = PartDamage(self.first);
        rusqlite::Error::FromSqlConversionFailure(6, Type::Blob, Box::new(damage))
    }
}

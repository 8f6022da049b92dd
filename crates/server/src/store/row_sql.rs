//! Rows to SQL and back, with a checksum over everything in them.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use capataz_engine::{GroupId, Key, Phase, Reason, RunId, Span, Timestamp, Usage, WorkerId};
use rusqlite::Statement;
use rusqlite::types::Type;

use super::labels::Labels;
use super::row::{Array, Row, StepTask, Try, Verdict};

/// All columns but `key`, in the order in which they are bound and read.
pub(super) const COLUMNS: [&str; 28] = [
    "grp",
    "state",
    "reason",
    "priority",
    "round",
    "attempt",
    "submitted_at",
    "queued_at",
    "allocated_at",
    "started_at",
    "ended_at",
    "finished_at",
    "until",
    "worker",
    "verdict",
    "fault",
    "wall",
    "cpu",
    "peak",
    "run",
    "step",
    "item",
    "crc",
    "dedup_key",
    "tags",
    "note",
    "array",
    "result",
];
/// How many of them are numbers under the checksum.
const NUMBERS: usize = 22;

/// A row whose checksum or values are not what was written.
#[derive(Debug, thiserror::Error)]
#[error("the row of task {key} is damaged: {what}")]
pub(super) struct RowDamage {
    key: Key,
    what: &'static str,
}

/// The table that has the row of `key`.
pub(super) fn table(key: Key) -> &'static str {
    match key.index() {
        None => "task",
        Some(_) => "element",
    }
}

pub(super) fn insert_sql(table: &str) -> String {
    let marks = ", ?".repeat(COLUMNS.len());
    format!(
        "INSERT INTO {table} (key, {}) VALUES (?{marks})",
        COLUMNS.join(", ")
    )
}

pub(super) fn update_sql(table: &str) -> String {
    let mut sql = format!("UPDATE {table} SET ");
    for (at, column) in COLUMNS.iter().enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(sql, "{comma}{column} = ?{}", at + 2);
    }
    sql + " WHERE key = ?1"
}

/// `SELECT` of whole rows, to be read with [`read`]; the condition follows.
pub(super) fn select_sql(table: &str) -> String {
    format!("SELECT key, {} FROM {table} ", COLUMNS.join(", "))
}

fn time(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| at.0 as i64)
}

/// A row as SQLite has it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Columns<'a> {
    /// All numbers, in the order of the table.
    pub numbers: [Option<i64>; NUMBERS],
    /// The dedup key.
    pub dedup_key: Option<Cow<'a, str>>,
    /// The tags, as a list in JSON.
    pub tags: Option<Cow<'a, str>>,
    /// What the caller gave as the reason of a cancel.
    pub note: Option<Cow<'a, str>>,
    /// What an array has on top, in postcard.
    pub array: Option<Cow<'a, [u8]>>,
    /// An encoded `AttemptResult`.
    pub result: Option<Cow<'a, [u8]>>,
}

impl<'a> Columns<'a> {
    /// The columns of a row.
    pub fn of(row: &'a Row) -> Columns<'a> {
        let (labels, result) = (&row.labels, &row.last.result);
        let tags = (!labels.tags.is_empty())
            .then(|| serde_json::Value::from(labels.tags.clone()).to_string());
        let array = row.array.as_deref();
        Columns {
            numbers: numbers(row),
            dedup_key: labels.dedup_key.as_deref().map(Cow::from),
            tags: tags.map(Cow::from),
            note: (!row.note.is_empty()).then_some(Cow::from(&row.note)),
            array: array.and_then(|array| postcard::to_stdvec(array).ok().map(Cow::from)),
            result: (!result.is_empty()).then_some(Cow::from(&result[..])),
        }
    }

    fn checksum(&self, key: Key) -> i64 {
        let mut bytes = [0; 8 * (NUMBERS + 1)];
        bytes[..8].copy_from_slice(&key.to_raw().to_le_bytes());
        for (number, place) in self.numbers.iter().zip(bytes[8..].chunks_exact_mut(8)) {
            place.copy_from_slice(&number.unwrap_or(i64::MIN).to_le_bytes());
        }
        let mut crc = crc32c::crc32c(&bytes);
        let texts = [
            self.dedup_key.as_deref().map(str::as_bytes),
            self.tags.as_deref().map(str::as_bytes),
            self.note.as_deref().map(str::as_bytes),
            self.array.as_deref(),
            self.result.as_deref(),
        ];
        for (place, text) in texts.into_iter().enumerate() {
            if let Some(text) = text {
                crc = crc32c::crc32c_append(crc, &[place as u8]);
                crc = crc32c::crc32c_append(crc, text);
            }
        }
        i64::from(crc)
    }

    /// The row that has these columns; `None` when a value is none that a row can have.
    pub fn row(&self) -> Option<Row> {
        let numbers = &self.numbers;
        let number = |at: usize| numbers[at].and_then(|number| u32::try_from(number).ok());
        let time = |at: usize| numbers[at].map(|number| Timestamp(number as u64));
        let big = |at: usize| numbers[at].map(|number| number as u64);
        let usage = big(16).map(|wall| Usage {
            wall: Span(wall),
            cpu: Span(big(17).unwrap_or(0)),
            peak_memory: big(18).unwrap_or(0),
        });
        Some(Row {
            group: GroupId(number(0)?),
            phase: *Phase::ALL.get(number(1)? as usize)?,
            reason: *Reason::ALL.get(number(2)? as usize)?,
            priority: u8::try_from(number(3)?).ok()?,
            step: match big(19) {
                Some(run) => Some(StepTask {
                    run: RunId(run),
                    step: number(20)?,
                    element: number(21),
                }),
                None => None,
            },
            round: number(4)?,
            submitted_at: time(6)?,
            queued_at: time(7),
            finished_at: time(11),
            until: time(12),
            last: Try {
                attempt: number(5)?,
                worker: number(13).map(WorkerId),
                allocated_at: time(8),
                started_at: time(9),
                ended_at: time(10),
                verdict: match number(14) {
                    Some(at) => Some(*Verdict::ALL.get(at as usize)?),
                    None => None,
                },
                fault: match number(15) {
                    Some(at) => Some(*Reason::ALL.get(at as usize)?),
                    None => None,
                },
                usage,
                result: self
                    .result
                    .as_deref()
                    .map(Bytes::copy_from_slice)
                    .unwrap_or_default(),
            },
            labels: Labels {
                tags: match &self.tags {
                    Some(tags) => serde_json::from_str(tags).ok()?,
                    None => Vec::new(),
                },
                dedup_key: self.dedup_key.as_deref().map(str::to_owned),
            },
            note: self.note.as_deref().unwrap_or_default().to_owned(),
            array: match &self.array {
                Some(array) => {
                    let array: Array = postcard::from_bytes(array).ok()?;
                    if !array.is_whole() {
                        return None;
                    }
                    Some(Box::new(array))
                }
                None => None,
            },
        })
    }
}

fn numbers(row: &Row) -> [Option<i64>; NUMBERS] {
    let last = &row.last;
    let usage = |of: fn(&Usage) -> u64| last.usage.as_ref().map(|usage| of(usage) as i64);
    [
        Some(i64::from(row.group.0)),
        Some(row.phase as i64),
        Some(row.reason as i64),
        Some(i64::from(row.priority)),
        Some(i64::from(row.round)),
        Some(i64::from(last.attempt)),
        time(Some(row.submitted_at)),
        time(row.queued_at),
        time(last.allocated_at),
        time(last.started_at),
        time(last.ended_at),
        time(row.finished_at),
        time(row.until),
        last.worker.map(|worker| i64::from(worker.0)),
        last.verdict.map(|verdict| verdict as i64),
        last.fault.map(|fault| fault as i64),
        usage(|usage| usage.wall.0),
        usage(|usage| usage.cpu.0),
        usage(|usage| usage.peak_memory),
        row.step.map(|step| step.run.0 as i64),
        row.step.map(|step| i64::from(step.step)),
        row.step.and_then(|step| step.element).map(i64::from),
    ]
}

/// Binds a row to [`insert_sql`] or [`update_sql`].
pub(super) fn bind(statement: &mut Statement<'_>, key: Key, row: &Row) -> rusqlite::Result<()> {
    let columns = Columns::of(row);
    statement.raw_bind_parameter(1, key.to_raw() as i64)?;
    for (at, number) in columns.numbers.iter().enumerate() {
        statement.raw_bind_parameter(at + 2, number)?;
    }
    let at = NUMBERS + 2;
    statement.raw_bind_parameter(at, columns.checksum(key))?;
    statement.raw_bind_parameter(at + 1, columns.dedup_key.as_deref())?;
    statement.raw_bind_parameter(at + 2, columns.tags.as_deref())?;
    statement.raw_bind_parameter(at + 3, columns.note.as_deref())?;
    statement.raw_bind_parameter(at + 4, columns.array.as_deref())?;
    statement.raw_bind_parameter(at + 5, columns.result.as_deref())
}

/// Reads a row of [`select_sql`] and checks it.
pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Key, Row)> {
    let key = Key::from_raw(row.get::<_, i64>(0)? as u64);
    let blob = |at: usize| {
        row.get_ref(NUMBERS + at)
            .map(|value| value.as_blob_or_null())
    };
    let text = |at: usize| {
        row.get_ref(NUMBERS + at)
            .map(|value| value.as_str_or_null())
    };
    let mut columns = Columns {
        numbers: [None; NUMBERS],
        dedup_key: text(2)??.map(Cow::from),
        tags: text(3)??.map(Cow::from),
        note: text(4)??.map(Cow::from),
        array: blob(5)??.map(Cow::from),
        result: blob(6)??.map(Cow::from),
    };
    for (at, number) in columns.numbers.iter_mut().enumerate() {
        *number = row.get(at + 1)?;
    }
    let damage = |what| {
        let damage = RowDamage { key, what };
        rusqlite::Error::FromSqlConversionFailure(0, Type::Null, Box::new(damage))
    };
    if row.get::<_, i64>(NUMBERS + 1)? != columns.checksum(key) {
        return Err(damage("its checksum differs"));
    }
    let row = columns
        .row()
        .ok_or_else(|| damage("a value is out of range"))?;
    Ok((key, row))
}

#[cfg(test)]
mod tests {
    use super::super::row::Rest;
    use super::*;

    #[test]
    fn an_array_with_more_rows_than_elements_is_refused() {
        let array = |count, touched| Array {
            count,
            touched: [touched; Phase::ALL.len()],
            rest: Rest {
                phase: Phase::Queued,
                reason: Reason::None,
                queued_at: None,
                finished_at: None,
                until: None,
            },
        };
        let read = |array| {
            let array = postcard::to_stdvec(&array).expect("an array encodes");
            let columns = Columns {
                numbers: [Some(0); NUMBERS],
                array: Some(array.into()),
                ..Columns::default()
            };
            columns.row()
        };
        assert!(read(array(80, 10)).is_some());
        assert_eq!(read(array(79, 10)), None);
        assert_eq!(read(array(79, u32::MAX)), None);
    }
}

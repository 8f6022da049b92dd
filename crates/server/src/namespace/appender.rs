//! The journal with what belongs to every append. The journal's thread and the owner's share it:
//! whoever holds it appends, and an append names the position it expects.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use capataz_journal::{Append, Freed, Journal, Position, Refusal, Room, Writer};

use super::gauges::Gauges;

/// How often what need not be done within an append is done: the witness may lag this much.
pub(super) const MAINTENANCE: Duration = Duration::from_millis(50);
/// Bytes of records kept although the store has them, so that streams can be resumed.
const HISTORY_BYTES: u64 = 256 << 20;

/// Appends as one leader.
pub(super) struct Appender {
    journal: Box<dyn Journal>,
    writer: Writer,
    gauges: Arc<Gauges>,
    history: History,
    maintained: Instant,
}

/// Where the journal was when how much had been written, so that a trim leaves enough history for
/// streams that are resumed.
#[derive(Default)]
struct History {
    written: u64,
    marks: VecDeque<(Position, u64)>,
}

impl History {
    fn add(&mut self, tail: Position, bytes: usize) {
        self.written += bytes as u64;
        let last = self.marks.back().map_or(0, |(_, written)| *written);
        if self.written >= last + HISTORY_BYTES / 32 {
            self.marks.push_back((tail, self.written));
        }
    }

    /// How far the journal may be trimmed; not at all before it has written enough.
    fn floor(&mut self) -> Position {
        let mut floor = Position::ZERO;
        while let Some((tail, written)) = self.marks.front().copied() {
            if written + HISTORY_BYTES > self.written {
                break;
            }
            floor = tail;
            self.marks.pop_front();
        }
        floor
    }
}

impl Appender {
    /// Takes over a journal in which `writer` leads.
    pub(super) fn new(journal: Box<dyn Journal>, writer: Writer, gauges: Arc<Gauges>) -> Appender {
        Appender {
            journal,
            writer,
            gauges,
            history: History::default(),
            maintained: Instant::now(),
        }
    }

    /// Makes records durable and returns the tail behind them. The error says why this leader
    /// cannot go on.
    pub(super) fn append(
        &mut self,
        expected: Position,
        records: &[Bytes],
    ) -> Result<Position, String> {
        match self.journal.append(expected, self.writer, records) {
            Append::Committed { tail } => {
                self.count(tail, records);
                Ok(tail)
            }
            Append::Conflict { tail } => Err(format!(
                "another leader has written up to position {tail}: stepping down"
            )),
            Append::Refused(Refusal::NoSpace { needed }) => Err(format!(
                "the disk has no room for {needed} bytes of journal; nothing acknowledged is \
                 lost; make room and start again"
            )),
            Append::Refused(refusal) => Err(format!("the journal refused a record: {refusal}")),
            Append::Unknown(fault) => Err(format!(
                "{fault}; whether the last records are durable is found out by the next start"
            )),
        }
    }

    fn count(&mut self, tail: Position, records: &[Bytes]) {
        let bytes = records.iter().map(Bytes::len).sum::<usize>();
        let gauges = &self.gauges;
        gauges
            .records
            .fetch_add(records.len() as u64, Ordering::Relaxed);
        gauges
            .record_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
        self.history.add(tail, bytes);
        Gauges::set(&gauges.journal_position, tail.get());
        Gauges::set(&gauges.journal_syncs, self.journal.syncs());
    }

    /// Trims below what the store has verified, but for the history that streams resume from.
    /// What that frees is to be dropped when the journal is not held any more.
    pub(super) fn trim(&mut self, below: Position) -> Result<Freed, String> {
        let below = below.min(self.history.floor());
        if below <= self.journal.first() {
            return Ok(Freed::default());
        }
        let trimmed = self.journal.trim(below, self.writer.epoch);
        trimmed.map_err(|error| format!("trimming the journal failed: {error}"))
    }

    /// Does what is due outside of appends, which costs a sync of its own. Says whether there is
    /// room for a further segment when that has changed.
    pub(super) fn maintain(&mut self) -> Result<Option<bool>, String> {
        if self.maintained.elapsed() < MAINTENANCE {
            return Ok(None);
        }
        self.maintained = Instant::now();
        let room = match self.journal.maintain() {
            Ok(Room::Enough) => true,
            Ok(Room::NoSpace { .. }) => false,
            Err(fault) => return Err(fault.to_string()),
        };
        let was_full = self.gauges.journal_full.swap(!room, Ordering::Relaxed);
        Ok((room == was_full).then_some(room))
    }

    /// Ends the journal's use.
    pub(super) fn close(&mut self) -> Result<(), String> {
        self.journal.close().map_err(|fault| fault.to_string())
    }
}

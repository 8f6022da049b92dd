//! The thread that owns the journal. Everything that has come in while it synced goes out with
//! the next sync: durability costs latency once and throughput almost nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use bytes::Bytes;
use capataz_journal::{Append, Journal, Position, Refusal, Room, Writer};

use super::gauges::Gauges;
use super::owner_thread::Message;
use crate::owner::{Input, ToAppend};

/// How often what need not be done within an append is done: the witness may lag this much.
const MAINTENANCE: Duration = Duration::from_millis(50);
/// Bytes that one sync covers at the most.
const GROUP_BYTES: usize = 8 << 20;
/// Bytes of records kept although the store has them, so that streams can be resumed.
const HISTORY_BYTES: u64 = 256 << 20;

/// What the journal is asked for.
pub(super) enum JournalRequest {
    /// Make it durable.
    Append(ToAppend),
    /// The store has verified everything below.
    Trim(Position),
    /// Nothing more will come.
    Close,
}

pub(super) struct JournalThread {
    journal: Box<dyn Journal>,
    writer: Writer,
    requests: Receiver<JournalRequest>,
    owner: Sender<Message>,
    gauges: Arc<Gauges>,
    history: History,
    maintained: Instant,
}

/// Requests that were waiting, sorted.
#[derive(Default)]
struct Work {
    records: Vec<Bytes>,
    expected: Option<Position>,
    bytes: usize,
    trim: Option<Position>,
    close: bool,
}

impl Work {
    fn add(&mut self, request: JournalRequest) {
        match request {
            JournalRequest::Append(append) => {
                self.expected.get_or_insert(append.expected);
                self.bytes += append.record.len();
                self.records.push(append.record);
            }
            JournalRequest::Trim(below) => self.trim = Some(below),
            JournalRequest::Close => self.close = true,
        }
    }
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

impl JournalThread {
    /// Takes over a journal in which `writer` leads.
    pub(super) fn new(
        journal: Box<dyn Journal>,
        writer: Writer,
        requests: Receiver<JournalRequest>,
        owner: Sender<Message>,
        gauges: Arc<Gauges>,
    ) -> JournalThread {
        JournalThread {
            journal,
            writer,
            requests,
            owner,
            gauges,
            history: History::default(),
            maintained: Instant::now(),
        }
    }

    /// Runs until it is closed or the journal fails; a failure is told to the owner.
    pub(super) fn run(mut self) {
        if let Err(reason) = self.serve() {
            // The owner may be gone already; then nobody is left to tell.
            let _ = self.owner.send(Message::Fatal(reason));
        }
    }

    fn serve(&mut self) -> Result<(), String> {
        loop {
            let mut work = Work::default();
            match self.requests.recv_timeout(MAINTENANCE) {
                Ok(request) => work.add(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => work.close = true,
            }
            while work.bytes < GROUP_BYTES {
                match self.requests.try_recv() {
                    Ok(request) => work.add(request),
                    Err(_) => break,
                }
            }
            self.append(&work)?;
            self.trim(&work)?;
            if self.maintained.elapsed() >= MAINTENANCE {
                self.maintain()?;
            }
            if work.close {
                return self.journal.close().map_err(|fault| fault.to_string());
            }
        }
    }

    fn append(&mut self, work: &Work) -> Result<(), String> {
        let Some(expected) = work.expected else {
            return Ok(());
        };
        match self.journal.append(expected, self.writer, &work.records) {
            Append::Committed { tail } => {
                self.gauges
                    .records
                    .fetch_add(work.records.len() as u64, Ordering::Relaxed);
                self.gauges
                    .record_bytes
                    .fetch_add(work.bytes as u64, Ordering::Relaxed);
                self.history.add(tail, work.bytes);
                Gauges::set(&self.gauges.journal_position, tail.get());
                Gauges::set(&self.gauges.journal_syncs, self.journal.syncs());
                let _ = self.owner.send(Message::Input(Input::Durable(tail)));
                Ok(())
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

    fn trim(&mut self, work: &Work) -> Result<(), String> {
        let Some(below) = work.trim else {
            return Ok(());
        };
        let below = below.min(self.history.floor());
        if below <= self.journal.first() {
            return Ok(());
        }
        let trimmed = self.journal.trim(below, self.writer.epoch);
        trimmed.map_err(|error| format!("trimming the journal failed: {error}"))
    }

    /// Costs a sync of its own, so it is not done with every append.
    fn maintain(&mut self) -> Result<(), String> {
        self.maintained = Instant::now();
        let room = match self.journal.maintain() {
            Ok(Room::Enough) => true,
            Ok(Room::NoSpace { .. }) => false,
            Err(fault) => return Err(fault.to_string()),
        };
        if room == self.gauges.journal_full.swap(!room, Ordering::Relaxed) {
            let _ = self.owner.send(Message::Input(Input::JournalRoom(room)));
        }
        Ok(())
    }
}

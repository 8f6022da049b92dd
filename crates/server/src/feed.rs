//! What happens, as a stream that can be resumed from any record the journal still has.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use capataz_engine::Event;
use capataz_engine::planted::{Bug, planted};
use capataz_journal::{JournalReader, Position, ReadError};
use tokio::sync::watch;

use crate::record;

/// Bytes of recent records kept at hand: a follower that is not far behind reads no file.
const RECENT_BYTES: usize = 8 << 20;
/// Bytes of records read from the journal at once.
const READ_BYTES: usize = 1 << 20;

/// One record's events. The record's own position is `end` less one.
#[derive(Clone, Debug)]
pub struct FeedBatch {
    /// The position after the record.
    pub end: Position,
    /// What happened, in order.
    pub events: Arc<Vec<Event>>,
}

/// What a follower gets.
#[derive(Debug)]
pub enum FeedRead {
    /// The records from the asked position on; none when it is the tail.
    Batches(Vec<FeedBatch>),
    /// History up to there is gone: go on from there, knowing that something is missing.
    Gap(Position),
}

/// Why the stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The journal cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record cannot be decoded.
    #[error(transparent)]
    Decode(#[from] record::RecordError),
}

#[derive(Default)]
struct Recent {
    batches: VecDeque<(FeedBatch, usize)>,
    bytes: usize,
}

/// The stream of a namespace.
#[derive(Clone)]
pub struct Feed {
    recent: Arc<Mutex<Recent>>,
    journal: Arc<Mutex<Box<dyn JournalReader>>>,
    tail: Arc<watch::Sender<Position>>,
}

impl Feed {
    /// A stream over a journal whose replayed part ends at `tail`.
    pub fn new(journal: Box<dyn JournalReader>, tail: Position) -> Feed {
        Feed {
            recent: Arc::default(),
            journal: Arc::new(Mutex::new(journal)),
            tail: Arc::new(watch::Sender::new(tail)),
        }
    }

    /// Adds a durable record.
    pub fn push(&self, end: Position, events: Arc<Vec<Event>>, bytes: usize) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.batches.push_back((FeedBatch { end, events }, bytes));
        recent.bytes += bytes;
        while recent.bytes > RECENT_BYTES && recent.batches.len() > 1 {
            if let Some((_, bytes)) = recent.batches.pop_front() {
                recent.bytes -= bytes;
            }
        }
        drop(recent);
        self.tail.send_replace(end);
    }

    /// Where the stream ends now, as it moves.
    pub fn watch_tail(&self) -> watch::Receiver<Position> {
        self.tail.subscribe()
    }

    /// Reads from `from` on. Blocks when it must read the journal.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read, or not be understood.
    pub fn read(&self, from: Position) -> Result<FeedRead, FeedError> {
        if from >= *self.tail.borrow() {
            return Ok(FeedRead::Batches(Vec::new()));
        }
        if let Some(batches) = self.read_recent(from) {
            return Ok(FeedRead::Batches(batches));
        }
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = match journal.read(from, READ_BYTES) {
            Ok(entries) => entries,
            Err(ReadError::Trimmed { first, .. }) if planted(Bug::GapNotTold) => {
                journal.read(first, READ_BYTES)?
            }
            Err(ReadError::Trimmed { first, .. }) => return Ok(FeedRead::Gap(first)),
            Err(error) => return Err(error.into()),
        };
        drop(journal);
        let mut batches = Vec::with_capacity(entries.len());
        for entry in entries {
            let events = Arc::new(record::decode(&entry.payload)?);
            batches.push(FeedBatch {
                end: entry.position.advance(1),
                events,
            });
        }
        Ok(FeedRead::Batches(batches))
    }

    fn read_recent(&self, from: Position) -> Option<Vec<FeedBatch>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let (oldest, _) = recent.batches.front()?;
        if oldest.end > from.advance(1) {
            return None;
        }
        let batches = recent.batches.iter().map(|(batch, _)| batch);
        Some(batches.filter(|batch| batch.end > from).cloned().collect())
    }
}

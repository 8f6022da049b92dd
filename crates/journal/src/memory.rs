//! A journal in memory: for tests, for simulation, and for servers that may forget.
//!
//! It keeps the whole contract but durability: it never survives its process.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::journal::{MAX_GROUP_BYTES, MAX_RECORD_BYTES};
use crate::{
    Append, Entry, Fault, Freed, Journal, JournalId, JournalReader, Position, ReadError, Refusal,
    Room, TrimError, Writer,
};

/// A journal in memory. Clones are further handles on the same records, so that several masters
/// can contend for it.
#[derive(Clone)]
pub struct MemoryJournal {
    id: JournalId,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    grown: Condvar,
}

struct State {
    first: Position,
    entries: VecDeque<Entry>,
    last_writer: Writer,
    closed: bool,
}

impl State {
    fn tail(&self) -> Position {
        self.first.advance(self.entries.len() as u64)
    }

    fn read(&self, from: Position, max_bytes: usize) -> Result<Vec<Entry>, ReadError> {
        let (first, tail) = (self.first, self.tail());
        if from < first {
            return Err(ReadError::Trimmed { from, first });
        }
        if from > tail {
            return Err(ReadError::BeyondTail { from, tail });
        }
        let mut bytes = 0;
        let skip = (from.get() - first.get()) as usize;
        Ok(self
            .entries
            .range(skip..)
            .take_while(|entry| {
                let is_first = bytes == 0;
                bytes += entry.payload.len().max(1);
                is_first || bytes <= max_bytes
            })
            .cloned()
            .collect())
    }
}

impl MemoryJournal {
    /// An empty journal with this id.
    pub fn new(id: JournalId) -> Self {
        let state = State {
            first: Position::ZERO,
            entries: VecDeque::new(),
            last_writer: Writer::NOBODY,
            closed: false,
        };
        Self {
            id,
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                grown: Condvar::new(),
            }),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn journal_id(&self) -> JournalId {
        self.id
    }

    fn max_record_bytes(&self) -> usize {
        MAX_RECORD_BYTES
    }

    fn tail(&self) -> Position {
        self.shared.lock().tail()
    }

    fn first(&self) -> Position {
        self.shared.lock().first
    }

    fn last_writer(&self) -> Writer {
        self.shared.lock().last_writer
    }

    fn append(&mut self, expected: Position, writer: Writer, records: &[Bytes]) -> Append {
        let mut state = self.shared.lock();
        if state.closed {
            return Append::Unknown(Fault::Poisoned);
        }
        let tail = state.tail();
        if expected != tail || !state.last_writer.yields_to(writer) {
            return Append::Conflict { tail };
        }
        if let Err(refusal) = check_sizes(records, 0) {
            return Append::Refused(refusal);
        }
        if records.is_empty() {
            return Append::Committed { tail };
        }
        for (index, payload) in records.iter().enumerate() {
            state.entries.push_back(Entry {
                position: tail.advance(index as u64),
                epoch: writer.epoch,
                writer_id: writer.id,
                payload: payload.clone(),
            });
        }
        state.last_writer = writer;
        let tail = state.tail();
        drop(state);
        self.shared.grown.notify_all();
        Append::Committed { tail }
    }

    fn read(&self, from: Position, max_bytes: usize) -> Result<Vec<Entry>, ReadError> {
        self.shared.lock().read(from, max_bytes)
    }

    fn reader(&self) -> Box<dyn JournalReader> {
        Box::new(MemoryReader {
            shared: Arc::clone(&self.shared),
        })
    }

    fn trim(&mut self, below: Position, epoch: u64) -> Result<Freed, TrimError> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(Fault::Poisoned.into());
        }
        let newest = state.last_writer.epoch;
        if epoch < newest {
            return Err(TrimError::StaleEpoch { newest, got: epoch });
        }
        let tail = state.tail();
        if below > tail {
            return Err(TrimError::BeyondTail { below, tail });
        }
        if below > state.first {
            let count = (below.get() - state.first.get()) as usize;
            state.entries.drain(..count);
            state.first = below;
        }
        Ok(Freed::default())
    }

    fn maintain(&mut self) -> Result<Room, Fault> {
        if self.shared.lock().closed {
            return Err(Fault::Poisoned);
        }
        Ok(Room::Enough)
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.shared.lock().closed = true;
        self.shared.grown.notify_all();
        Ok(())
    }

    fn syncs(&self) -> u64 {
        0
    }
}

/// Refuses what is over a limit; `framing` is what each record costs beside its payload, in bytes.
pub(crate) fn check_sizes(records: &[Bytes], framing: usize) -> Result<usize, Refusal> {
    let mut total = 0;
    for record in records {
        if record.len() > MAX_RECORD_BYTES {
            return Err(Refusal::TooLarge {
                limit: MAX_RECORD_BYTES,
                got: record.len(),
            });
        }
        total += framing + record.len();
    }
    if total > MAX_GROUP_BYTES {
        return Err(Refusal::GroupTooLarge {
            limit: MAX_GROUP_BYTES,
            got: total,
        });
    }
    Ok(total)
}

struct MemoryReader {
    shared: Arc<Shared>,
}

impl JournalReader for MemoryReader {
    fn read(&mut self, from: Position, max_bytes: usize) -> Result<Vec<Entry>, ReadError> {
        self.shared.lock().read(from, max_bytes)
    }

    fn follow(&mut self, from: Position, timeout: Duration) -> Result<Position, ReadError> {
        let state = self.shared.lock();
        let (state, _) = self
            .shared
            .grown
            .wait_timeout_while(state, timeout, |state| {
                !state.closed && state.tail() <= from
            })
            .unwrap_or_else(PoisonError::into_inner);
        if from < state.first {
            let first = state.first;
            return Err(ReadError::Trimmed { from, first });
        }
        if state.tail() <= from && state.closed {
            return Err(ReadError::Closed);
        }
        Ok(state.tail())
    }
}

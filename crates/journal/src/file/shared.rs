//! What the writer and the readers of one file journal share: the durable part, nothing else.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::disk::DiskFile;
use crate::file::record::framed_bytes;
use crate::file::segment::{Mark, Segment};
use crate::{Position, ReadError};

/// The durable part of a journal. A record is in it only after its sync.
pub(crate) struct Shared {
    state: Mutex<State>,
    grown: Condvar,
}

struct State {
    first: Position,
    tail: Position,
    /// In order, never empty; the last one is being written.
    segments: Vec<Segment>,
    closed: bool,
}

/// Where to read one position, as of now.
pub(crate) struct Place {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) name: String,
    pub(crate) seed: u32,
    /// The position that the segment starts at.
    pub(crate) segment: Position,
    /// From where the record can be walked to.
    pub(crate) mark: Mark,
    /// The end of the segment's durable records, in bytes and as a position.
    pub(crate) end: u64,
    pub(crate) next: Position,
}

impl Shared {
    pub(crate) fn new(first: Position, tail: Position, segments: Vec<Segment>) -> Self {
        let state = State {
            first,
            tail,
            segments,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            grown: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tail(&self) -> Position {
        self.lock().tail
    }

    pub(crate) fn first(&self) -> Position {
        self.lock().first
    }

    /// Takes up durable records with these payload lengths and wakes the followers.
    pub(crate) fn publish(&self, lengths: impl Iterator<Item = usize>) {
        let mut state = self.lock();
        let mut tail = state.tail;
        if let Some(segment) = state.segments.last_mut() {
            for length in lengths {
                segment.extend(tail, framed_bytes(length) as u64);
                tail = tail.advance(1);
            }
        }
        state.tail = tail;
        drop(state);
        self.grown.notify_all();
    }

    /// Takes up a new last segment. It replaces an empty one that was too small for its first
    /// group: both have the same position and the same name.
    pub(crate) fn begin_segment(&self, segment: Segment) {
        let segments = &mut self.lock().segments;
        segments.pop_if(|last| last.first == segment.first);
        segments.push(segment);
    }

    /// Raises the trim point and gives up the segments that lie wholly below it.
    pub(crate) fn trim(&self, below: Position) -> Vec<Segment> {
        let mut state = self.lock();
        state.first = below;
        let reaching = state
            .segments
            .partition_point(|segment| segment.first <= below);
        state.segments.drain(..reaching.saturating_sub(1)).collect()
    }

    /// Releases the followers for good.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.grown.notify_all();
    }

    /// Finds the record at `from`; `None` when `from` is the tail.
    pub(crate) fn locate(&self, from: Position) -> Result<Option<Place>, ReadError> {
        let state = self.lock();
        let (first, tail) = (state.first, state.tail);
        if from < first {
            return Err(ReadError::Trimmed { from, first });
        }
        if from >= tail {
            return if from == tail {
                Ok(None)
            } else {
                Err(ReadError::BeyondTail { from, tail })
            };
        }
        let after = state
            .segments
            .partition_point(|segment| segment.first <= from);
        let segment = &state.segments[after.saturating_sub(1)];
        let next = state.segments.get(after).map_or(tail, |next| next.first);
        Ok(Some(Place {
            file: Arc::clone(&segment.file),
            name: segment.name(),
            seed: segment.seed,
            segment: segment.first,
            mark: segment.mark_before(from),
            end: segment.end,
            next,
        }))
    }

    /// Waits until there is a record at `from`, at most for `timeout`; returns the tail.
    pub(crate) fn follow(&self, from: Position, timeout: Duration) -> Result<Position, ReadError> {
        let state = self.lock();
        let waits = |state: &mut State| !state.closed && state.tail <= from;
        let (state, _) = self
            .grown
            .wait_timeout_while(state, timeout, waits)
            .unwrap_or_else(PoisonError::into_inner);
        if from < state.first {
            let first = state.first;
            return Err(ReadError::Trimmed { from, first });
        }
        if state.tail <= from && state.closed {
            return Err(ReadError::Closed);
        }
        Ok(state.tail)
    }
}

//! What attempts print, and how much of it is kept.
//!
//! Of each stream the first [`STREAM_HEAD_BYTES`] are passed on as they come, so that they can be
//! followed; what comes later is read and dropped, but for the last [`STREAM_TAIL_BYTES`], which
//! are passed on when the attempt ends. A chunk names its offset in its stream, so the gap is
//! visible. An attempt that prints gigabytes costs neither memory nor disk.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// At most this much of an attempt's logs is passed on, in bytes, both streams together.
pub const LOG_BYTES_MAX: usize = 2 * (STREAM_HEAD_BYTES + STREAM_TAIL_BYTES);

/// The last bytes of an attempt's logs, both streams together, that travel with its completion.
pub const LOG_TAIL_BYTES: usize = 16 * 1024;

/// What is passed on of a stream from its beginning, in bytes. More than an output may take from
/// stdout, so that the output can be cut from what was passed on.
pub(crate) const STREAM_HEAD_BYTES: usize = 384 * 1024;

/// What is passed on of the end of a longer stream, in bytes.
pub(crate) const STREAM_TAIL_BYTES: usize = 128 * 1024;

/// One of the two things an attempt prints to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Results, and talk when there is an output file.
    Stdout,
    /// Talk.
    Stderr,
}

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// Which stream.
    pub stream: Stream,
    /// The position of the first byte in its stream. A jump from the end of the chunk before it is
    /// what was dropped.
    pub offset: u64,
    /// The bytes as they were printed; may begin or end inside a UTF-8 character.
    pub bytes: Bytes,
}

/// The last chunks of an attempt's logs, oldest first, [`LOG_TAIL_BYTES`] at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogTail {
    chunks: VecDeque<LogChunk>,
    bytes: usize,
}

impl LogTail {
    /// Adds a chunk and forgets the oldest bytes above the limit.
    pub fn push(&mut self, chunk: LogChunk) {
        self.bytes += chunk.bytes.len();
        self.chunks.push_back(chunk);
        while self.bytes > LOG_TAIL_BYTES {
            let excess = self.bytes - LOG_TAIL_BYTES;
            let oldest = self
                .chunks
                .front_mut()
                .expect("bytes are counted from chunks");
            let cut = excess.min(oldest.bytes.len());
            oldest.bytes = oldest.bytes.slice(cut..);
            oldest.offset += cut as u64;
            self.bytes -= cut;
            if oldest.bytes.is_empty() {
                self.chunks.pop_front();
            }
        }
    }

    /// The chunks, oldest first.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = &LogChunk> {
        self.chunks.iter()
    }

    /// Bytes held.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// What was kept of one stream, joined.
    pub fn text(&self, stream: Stream) -> Vec<u8> {
        self.chunks
            .iter()
            .filter(|c| c.stream == stream)
            .flat_map(|c| c.bytes.iter().copied())
            .collect()
    }
}

/// Decides what of one stream is passed on: its head at once, its tail at the end.
#[derive(Debug, Default)]
pub(crate) struct StreamBudget {
    /// Bytes seen so far: the offset of the next one.
    seen: u64,
    /// The last bytes behind the head; allocated when a stream outgrows its head.
    tail: VecDeque<u8>,
}

impl StreamBudget {
    /// Takes what was printed; returns what is to be passed on now and its offset.
    pub(crate) fn take<'a>(&mut self, printed: &'a [u8]) -> Option<(u64, &'a [u8])> {
        let offset = self.seen;
        self.seen += printed.len() as u64;
        let room = (STREAM_HEAD_BYTES as u64).saturating_sub(offset) as usize;
        let (head, rest) = printed.split_at(room.min(printed.len()));
        self.keep(rest);
        (!head.is_empty()).then_some((offset, head))
    }

    /// What is left to pass on when the stream has ended, and its offset.
    pub(crate) fn finish(&mut self) -> Option<(u64, Vec<u8>)> {
        let tail = Vec::from(std::mem::take(&mut self.tail));
        (!tail.is_empty()).then(|| (self.seen - tail.len() as u64, tail))
    }

    fn keep(&mut self, rest: &[u8]) {
        let rest = &rest[rest.len().saturating_sub(STREAM_TAIL_BYTES)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(STREAM_TAIL_BYTES);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(offset: u64, len: usize) -> LogChunk {
        LogChunk {
            stream: Stream::Stdout,
            offset,
            bytes: Bytes::from(vec![b'x'; len]),
        }
    }

    #[test]
    fn a_tail_keeps_the_last_bytes_with_their_offsets() {
        let mut tail = LogTail::default();
        tail.push(chunk(0, 10));
        tail.push(chunk(10, LOG_TAIL_BYTES - 4));
        assert_eq!(tail.len(), LOG_TAIL_BYTES);
        let kept: Vec<_> = tail.chunks().map(|c| (c.offset, c.bytes.len())).collect();
        assert_eq!(kept, [(6, 4), (10, LOG_TAIL_BYTES - 4)]);
        tail.push(chunk(0, 3 * LOG_TAIL_BYTES));
        let kept: Vec<_> = tail.chunks().map(|c| (c.offset, c.bytes.len())).collect();
        assert_eq!(kept, [(2 * LOG_TAIL_BYTES as u64, LOG_TAIL_BYTES)]);
    }

    #[test]
    fn a_long_stream_passes_on_its_head_and_its_tail() {
        let printed: Vec<u8> = (0..2_000_000u32).map(|n| n as u8).collect();
        let mut budget = StreamBudget::default();
        let mut passed = 0;
        for piece in printed.chunks(70_000) {
            if let Some((offset, head)) = budget.take(piece) {
                assert_eq!(offset as usize, passed);
                passed += head.len();
            }
        }
        assert_eq!(passed, STREAM_HEAD_BYTES);
        let (offset, tail) = budget.finish().expect("the stream outgrew its head");
        assert_eq!(tail, printed[printed.len() - STREAM_TAIL_BYTES..]);
        assert_eq!(offset as usize, printed.len() - STREAM_TAIL_BYTES);
    }

    #[test]
    fn a_short_stream_passes_on_everything_at_once() {
        let mut budget = StreamBudget::default();
        assert_eq!(budget.take(b"ab"), Some((0, &b"ab"[..])));
        assert_eq!(budget.take(b""), None);
        assert_eq!(budget.take(b"c"), Some((2, &b"c"[..])));
        assert_eq!(budget.finish(), None);
    }
}

//! Logs on their way. They are no part of what is promised: what finds no room here is dropped,
//! and its offset shows the gap.

use std::collections::VecDeque;
use std::time::Duration;

use capataz_api::proto;

use crate::clock::Boottime;

/// Bytes of logs that wait for the connection at the most, so that a worker whose attempts print
/// much, or that has no connection, stays small.
const QUEUE_BYTES: usize = 8 << 20;
/// Bytes of one frame of logs: the same again may be in the connection, and results come behind.
const FRAME_BYTES: usize = 256 << 10;
/// Logs are collected for so long: people who follow them do not notice it.
const DELAY: Duration = Duration::from_millis(20);
/// What a chunk costs beside its bytes.
const CHUNK_BYTES: usize = 64;

#[derive(Debug, Default)]
pub(super) struct LogQueue {
    chunks: VecDeque<proto::LogChunk>,
    bytes: usize,
    since: Option<Boottime>,
    /// Chunks ever queued, and ever taken: a mark in the queue is a number between.
    queued: u64,
    taken: u64,
    dropped: u64,
}

impl LogQueue {
    pub(super) fn push(&mut self, chunk: proto::LogChunk, now: Boottime) {
        let bytes = chunk.data.len() + CHUNK_BYTES;
        if self.bytes + bytes > QUEUE_BYTES {
            if self.dropped == 0 {
                tracing::warn!("logs come faster than the connection takes them: some are dropped");
            }
            self.dropped += 1;
            return;
        }
        self.bytes += bytes;
        self.queued += 1;
        self.since.get_or_insert(now);
        self.chunks.push_back(chunk);
    }

    /// The place behind everything that is queued.
    pub(super) fn mark(&self) -> u64 {
        self.queued
    }

    /// Whether everything before a mark was taken.
    pub(super) fn is_past(&self, mark: u64) -> bool {
        self.taken >= mark
    }

    pub(super) fn due_at(&self) -> Option<Boottime> {
        let since = self.since?;
        Some(if self.bytes >= FRAME_BYTES {
            since
        } else {
            since + DELAY
        })
    }

    pub(super) fn take(&mut self) -> proto::LogChunks {
        let mut frame = proto::LogChunks::default();
        let mut bytes = 0;
        while bytes < FRAME_BYTES
            && let Some(chunk) = self.chunks.pop_front()
        {
            bytes += chunk.data.len() + CHUNK_BYTES;
            self.taken += 1;
            frame.chunks.push(chunk);
        }
        self.bytes -= bytes;
        if self.chunks.is_empty() {
            self.since = None;
            if std::mem::take(&mut self.dropped) > 0 {
                tracing::info!("logs are complete again");
            }
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_leaves_a_gap_and_the_rest_goes_on() {
        let mut queue = LogQueue::default();
        let now = Boottime::from_boot(Duration::ZERO);
        let piece = bytes::Bytes::from(vec![b'x'; 64 << 10]);
        for n in 0..200u64 {
            let chunk = proto::LogChunk {
                offset: n * piece.len() as u64,
                data: piece.clone(),
                ..proto::LogChunk::default()
            };
            queue.push(chunk, now);
        }
        assert!(queue.bytes <= QUEUE_BYTES);
        let kept = queue.mark();
        assert!(kept < 200 && queue.dropped == 200 - kept);
        let mut offset = 0;
        while queue.due_at().is_some() {
            for chunk in queue.take().chunks {
                assert_eq!(chunk.offset, offset);
                offset += chunk.data.len() as u64;
            }
        }
        assert!(queue.is_past(kept));
        assert_eq!((queue.bytes, queue.dropped), (0, 0));
    }
}

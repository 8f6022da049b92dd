//! Reads records off a segment file, chunk by chunk, and searches for them.
//!
//! It judges single records; what their place in the history means is for the caller to say.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::DiskFile;
use crate::file::flaw::Flaw;
use crate::file::record::{self, ALIGNMENT, HEADER_BYTES, Header, Link};
use crate::{Position, Writer};

/// How much is read at once where nobody says otherwise, in bytes: large enough that the cost of a
/// call vanishes, small enough to stay in the processor's cache.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// Reads one segment file up to `end`, in chunks that payloads are slices of.
pub(crate) struct Scanner {
    file: Arc<dyn DiskFile>,
    seed: u32,
    end: u64,
    chunk_bytes: usize,
    chunk: Bytes,
    chunk_at: u64,
}

impl Scanner {
    pub(crate) fn new(file: Arc<dyn DiskFile>, seed: u32, end: u64, chunk_bytes: usize) -> Self {
        Self {
            file,
            seed,
            end,
            chunk_bytes,
            chunk: Bytes::new(),
            chunk_at: 0,
        }
    }

    /// Brings `length` bytes at `at` into the chunk and returns where they start in it.
    fn fetch(&mut self, at: u64, length: usize) -> io::Result<Result<usize, Flaw>> {
        let needed = at + length as u64;
        if needed > self.end {
            let end = self.end;
            return Ok(Err(Flaw::PastEnd { end, needed }));
        }
        if !self.has_fetched(at, length) {
            let ahead = self.chunk_bytes.max(length) as u64;
            let mut chunk = vec![0; ahead.min(self.end - at) as usize];
            let got = self.file.read_at(&mut chunk, at)?;
            chunk.truncate(got);
            self.chunk = Bytes::from(chunk);
            self.chunk_at = at;
            if got < length {
                let end = at + got as u64;
                return Ok(Err(Flaw::PastEnd { end, needed }));
            }
        }
        Ok(Ok((at - self.chunk_at) as usize))
    }

    /// Whether `length` bytes at `at` are in memory already.
    pub(crate) fn has_fetched(&self, at: u64, length: usize) -> bool {
        let end = self.chunk_at + self.chunk.len() as u64;
        at >= self.chunk_at && at + length as u64 <= end
    }

    /// The header at `at`, and the link that the next record refers to it by.
    pub(crate) fn header(&mut self, at: u64) -> io::Result<Result<(Header, Link), Flaw>> {
        let start = match self.fetch(at, HEADER_BYTES)? {
            Ok(start) => start,
            Err(flaw) => return Ok(Err(flaw)),
        };
        let bytes = record::part::<HEADER_BYTES>(&self.chunk, start);
        Ok(Header::decode(&bytes, self.seed).map(|header| (header, record::link(&bytes))))
    }

    /// The payload of the record at `at`, checked. It shares the chunk's memory.
    pub(crate) fn payload(&mut self, at: u64, header: &Header) -> io::Result<Result<Bytes, Flaw>> {
        let length = header.length as usize;
        let start = match self.fetch(at + HEADER_BYTES as u64, length)? {
            Ok(start) => start,
            Err(flaw) => return Ok(Err(flaw)),
        };
        let payload = self.chunk.slice(start..start + length);
        let found = record::payload_checksum(self.seed, &payload);
        if found != header.payload_checksum {
            let expected = header.payload_checksum;
            return Ok(Err(Flaw::PayloadChecksum { expected, found }));
        }
        Ok(Ok(payload))
    }

    /// Looks through all from `at` to the end, where no record can be read any more: is there a
    /// whole header that shows `lost` to have been synced, and is there anything but zeros?
    pub(crate) fn search(&mut self, mut at: u64, lost: Position) -> io::Result<Search> {
        let mut search = Search::default();
        while at < self.end {
            let length = (self.end - at).min(CHUNK_BYTES as u64) as usize;
            let Ok(start) = self.fetch(at, length)? else {
                break;
            };
            let chunk = self.chunk.slice(start..start + length);
            for (index, block) in chunk.chunks(BLOCK_BYTES).enumerate() {
                // Nearly all of it is zeros; comparing whole blocks is what makes this fast.
                if *block != ZEROS[..block.len()] {
                    search.anything = true;
                    let here = at + (index * BLOCK_BYTES) as u64;
                    search.proof = self.proof_in(block, here, lost)?;
                    if search.proof.is_some() {
                        return Ok(search);
                    }
                }
            }
            at += length as u64;
        }
        Ok(search)
    }

    /// A whole header that starts in the `block` read from `at` and shows `lost` to have been
    /// synced; and where it starts.
    fn proof_in(
        &mut self,
        block: &[u8],
        at: u64,
        lost: Position,
    ) -> io::Result<Option<(u64, Header)>> {
        for (index, word) in block.chunks(ALIGNMENT).enumerate() {
            let here = at + (index * ALIGNMENT) as u64;
            if Header::may_begin(word)
                && let Ok((header, _)) = self.header(here)?
                && header.durable > lost
            {
                return Ok(Some((here, header)));
            }
        }
        Ok(None)
    }
}

/// What is compared with zeros at once, in bytes.
const BLOCK_BYTES: usize = 4096;
static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// What lies behind the last record that could be read.
#[derive(Default)]
pub(crate) struct Search {
    /// Whether there is anything but zeros.
    pub(crate) anything: bool,
    /// A later record that was written when the lost one was durable, and where it starts.
    pub(crate) proof: Option<(u64, Header)>,
}

/// Where a history stands: what the next record has to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) position: Position,
    pub(crate) link: Link,
    pub(crate) writer: Writer,
}

impl Standing {
    /// Checks that a record with this header continues the history.
    pub(crate) fn admit(&self, header: &Header) -> Result<(), Flaw> {
        if header.position != self.position {
            return Err(Flaw::Position {
                expected: self.position,
                found: header.position,
            });
        }
        if header.previous != self.link {
            return Err(Flaw::Chain);
        }
        if !self.writer.yields_to(header.writer) {
            return Err(Flaw::Writer {
                newest: self.writer.epoch,
                found: header.writer.epoch,
            });
        }
        Ok(())
    }

    /// Where the history stands after that record.
    pub(crate) fn after(header: &Header, link: Link) -> Self {
        Self {
            position: header.position.advance(1),
            link,
            writer: header.writer,
        }
    }
}

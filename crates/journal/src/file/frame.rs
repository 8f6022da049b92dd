//! Turns a group of payloads into the bytes of one write.

use std::io::{self, IoSlice};
use std::ops::Range;

use bytes::Bytes;

use crate::disk::DiskFile;
use crate::file::record::{ALIGNMENT, HEADER_BYTES, Header, link, payload_checksum};
use crate::file::scan::Standing;
use crate::{Position, Writer};

/// Payloads below this are copied beside their headers; larger ones are handed to the disk where
/// they are. A part of a vectored write costs about as much as copying a few hundred bytes.
const COPY_BELOW: usize = 2048;

/// Frames groups; keeps its buffers from one group to the next.
#[derive(Default)]
pub(crate) struct Framer {
    /// Headers, padding, and the small payloads.
    own: Vec<u8>,
    parts: Vec<Part>,
}

enum Part {
    /// A piece of `own`.
    Own(Range<usize>),
    /// The payload with this index.
    Payload(usize),
}

impl Framer {
    /// Frames `records` as one group that continues `standing`; returns where that leads.
    pub(crate) fn frame(
        &mut self,
        seed: u32,
        standing: Standing,
        writer: Writer,
        records: &[Bytes],
    ) -> Standing {
        self.own.clear();
        self.parts.clear();
        let durable = standing.position;
        let mut standing = standing;
        let mut begun = 0;
        for (index, payload) in records.iter().enumerate() {
            let header = header(
                seed,
                &standing,
                writer,
                durable,
                payload,
                records.len() - index,
            );
            let bytes = header.encode(seed);
            standing = Standing::after(&header, link(&bytes));
            self.own.extend_from_slice(&bytes);
            if payload.len() < COPY_BELOW {
                self.own.extend_from_slice(payload);
            } else {
                self.parts.push(Part::Own(begun..self.own.len()));
                self.parts.push(Part::Payload(index));
                begun = self.own.len();
            }
            let padding = payload.len().next_multiple_of(ALIGNMENT) - payload.len();
            self.own.extend_from_slice(&[0; ALIGNMENT][..padding]);
        }
        self.parts.push(Part::Own(begun..self.own.len()));
        standing
    }

    /// Writes the framed group at `offset`.
    pub(crate) fn write(
        &self,
        file: &dyn DiskFile,
        offset: u64,
        records: &[Bytes],
    ) -> io::Result<()> {
        let length = |part: &Part| match part {
            Part::Own(range) => range.len(),
            Part::Payload(index) => records[*index].len(),
        };
        let mut slices = Vec::with_capacity(self.parts.len());
        for part in self.parts.iter().filter(|part| length(part) > 0) {
            slices.push(IoSlice::new(match part {
                Part::Own(range) => &self.own[range.clone()],
                Part::Payload(index) => &records[*index],
            }));
        }
        file.write_at(&mut slices, offset)
    }

    /// Gives back what an unusually large group took.
    pub(crate) fn shrink(&mut self) {
        /// What is worth keeping, in bytes: the framing of thousands of small records.
        const KEEP: usize = 4 << 20;
        self.own.shrink_to(KEEP);
    }
}

const _: () = assert!(HEADER_BYTES.is_multiple_of(ALIGNMENT));

/// The header of one record; `left` records of its group remain, itself included.
fn header(
    seed: u32,
    standing: &Standing,
    writer: Writer,
    durable: Position,
    payload: &[u8],
    left: usize,
) -> Header {
    Header {
        // Both fit: a payload has 8 MiB at most, a group less than 32 MiB / 80 records.
        length: payload.len() as u32,
        rest: (left - 1) as u32,
        position: standing.position,
        writer,
        previous: standing.link,
        durable,
        payload_checksum: payload_checksum(seed, payload),
    }
}

//! A segment file: its name, its header, and what is kept of it in memory.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::file::record::{Link, part, seed};
use crate::file::scan::Standing;
use crate::{JournalId, Position, Writer};

/// Where the first record starts. The header has sectors of its own, so that no later write can
/// tear it.
pub(crate) const RECORDS_AT: u64 = 4096;
/// How much of a segment lies between two marks, in bytes. A read walks at most that far.
const MARK_STRIDE: u64 = 64 << 10;

const HEADER_BYTES: usize = 88;
const CHECKSUM_AT: usize = 84;
/// The first bytes of a segment: its kind and the version of its format.
const MAGIC: [u8; 8] = *b"CAPSEG01";
const SUFFIX: &str = ".segment";

/// The file name of the segment that starts at `first`; names sort as positions do.
pub(crate) fn file_name(first: Position) -> String {
    format!("{:016x}{SUFFIX}", first.get())
}

/// The position in a segment's file name; `None` for all other files, and for positions that no
/// count reaches.
pub(crate) fn parse_name(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(SUFFIX)?;
    let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() != 16 || !digits.bytes().all(lower_hex) {
        return None;
    }
    let first = u64::from_str_radix(digits, 16).ok();
    first.filter(|first| *first < 1 << 63).map(Position::new)
}

/// What a segment says about itself and about all below it. It is written when everything below is
/// durable, so a segment's existence proves that its predecessor was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) journal: JournalId,
    pub(crate) first: Position,
    /// The link of the last record below.
    pub(crate) previous: Link,
    /// The writer of the last record below.
    pub(crate) writer: Writer,
}

/// What is wrong with a segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFlaw {
    /// The file is too short to hold one.
    #[error("the file has {got} bytes, its header needs {needed}")]
    Short {
        /// The file's length.
        got: u64,
        /// The header's length.
        needed: u64,
    },
    /// Not a segment, or of a format that this version does not know.
    #[error("the file does not start as a segment of a known format does")]
    Unknown,
    /// The header is not as it was written.
    #[error("the header has checksum {found:08x}, expected {expected:08x}")]
    Checksum {
        /// What the bytes give.
        expected: u32,
        /// What is stored.
        found: u32,
    },
}

impl SegmentHeader {
    /// Where the history stands before the segment's first record.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            position: self.first,
            link: self.previous,
            writer: self.writer,
        }
    }

    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..24].copy_from_slice(&self.journal.to_bytes());
        bytes[24..32].copy_from_slice(&self.first.get().to_le_bytes());
        bytes[32..48].copy_from_slice(&self.previous.0);
        bytes[48..56].copy_from_slice(&self.writer.epoch.to_le_bytes());
        bytes[56..72].copy_from_slice(&self.writer.id);
        // 72 to 83 stay zero for a later version.
        let checksum = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, HeaderFlaw> {
        if bytes[..8] != MAGIC {
            return Err(HeaderFlaw::Unknown);
        }
        let expected = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
        let found = u32::from_le_bytes(part(bytes, CHECKSUM_AT));
        if expected != found {
            return Err(HeaderFlaw::Checksum { expected, found });
        }
        Ok(Self {
            journal: JournalId::from_bytes(part(bytes, 8)),
            first: Position::new(u64::from_le_bytes(part(bytes, 24))),
            previous: Link(part(bytes, 32)),
            writer: Writer {
                epoch: u64::from_le_bytes(part(bytes, 48)),
                id: part(bytes, 56),
            },
        })
    }

    pub(crate) fn read(file: &dyn DiskFile) -> io::Result<Result<Self, HeaderFlaw>> {
        let mut bytes = [0; HEADER_BYTES];
        let got = file.read_at(&mut bytes, 0)?;
        if got < HEADER_BYTES {
            return Ok(Err(HeaderFlaw::Short {
                got: got as u64,
                needed: HEADER_BYTES as u64,
            }));
        }
        Ok(Self::decode(&bytes))
    }

    pub(crate) fn write(&self, file: &dyn DiskFile) -> io::Result<()> {
        file.write_at(&mut [IoSlice::new(&self.encode())], 0)
    }
}

/// A place in a segment that a read may start from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    pub(crate) offset: u64,
}

/// An open segment with its sparse index.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(crate) first: Position,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) seed: u32,
    /// The end of its durable records, in bytes.
    pub(crate) end: u64,
    marks: Vec<Mark>,
}

impl Segment {
    pub(crate) fn new(journal: JournalId, first: Position, file: Arc<dyn DiskFile>) -> Self {
        Self {
            first,
            file,
            seed: seed(journal, first),
            end: RECORDS_AT,
            marks: vec![Mark {
                position: first,
                offset: RECORDS_AT,
            }],
        }
    }

    pub(crate) fn name(&self) -> String {
        file_name(self.first)
    }

    /// Takes up a record that lies at the end; `bytes` is its whole size.
    pub(crate) fn extend(&mut self, position: Position, bytes: u64) {
        let offset = self.end;
        let far = self
            .marks
            .last()
            .is_none_or(|mark| offset - mark.offset >= MARK_STRIDE);
        if far {
            self.marks.push(Mark { position, offset });
        }
        self.end = offset + bytes;
    }

    /// The nearest place at or before `position` from which its record can be walked to.
    pub(crate) fn mark_before(&self, position: Position) -> Mark {
        let after = self.marks.partition_point(|mark| mark.position <= position);
        self.marks[after.saturating_sub(1)]
    }

    /// Forgets all from `position` on, which starts at `end`.
    pub(crate) fn cut(&mut self, position: Position, end: u64) {
        self.marks
            .retain(|mark| mark.position < position || mark.offset == RECORDS_AT);
        self.end = end;
    }
}

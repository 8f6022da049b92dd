//! One record's bytes: a header of fixed size, the payload, zeros up to the next multiple of 8.
//!
//! Integers are little-endian. The checksums start from a seed that names journal and segment, so
//! that a record copied from elsewhere never looks valid.

use crate::file::flaw::Flaw;
use crate::planted::{Bug, planted};
use crate::{JournalId, Position, Writer};

/// The size of a record's header, in bytes.
pub(crate) const HEADER_BYTES: usize = 80;
/// Records start at multiples of this, so that a search for them can stride.
pub(crate) const ALIGNMENT: usize = 8;
/// The first bytes of a record: its kind and the version of its format.
const MAGIC: [u8; 4] = *b"CJR1";
/// Where the header's own checksum sits: it covers all before it.
const CHECKSUM_AT: usize = 76;

/// A link of the chain: the truncated hash of a record's header.
///
/// The header holds the payload's checksum, so the link covers the payload as well as a CRC does.
/// The chain finds forks, holes and rollbacks; it is no defence against an adversary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link(pub(crate) [u8; 16]);

/// What a record says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The payload's length, in bytes.
    pub(crate) length: u32,
    pub(crate) position: Position,
    pub(crate) writer: Writer,
    /// The link of the record before it.
    pub(crate) previous: Link,
    /// The tail that was known to be durable when this record was written.
    pub(crate) durable: Position,
    /// How many records of the same group follow: a group without its last one never happened.
    pub(crate) rest: u32,
    pub(crate) payload_checksum: u32,
}

/// Where the checksums of one segment of one journal start from.
pub(crate) fn seed(journal: JournalId, first: Position) -> u32 {
    let seed = crc32c::crc32c(&journal.to_bytes());
    crc32c::crc32c_append(seed, &first.get().to_le_bytes())
}

/// The checksum of a payload.
pub(crate) fn payload_checksum(seed: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(seed, payload)
}

/// What a record with a payload of `length` bytes takes in its segment, in bytes.
pub(crate) const fn framed_bytes(length: usize) -> usize {
    HEADER_BYTES + length.next_multiple_of(ALIGNMENT)
}

/// The link that the record after the one with this header refers to.
pub(crate) fn link(header: &[u8; HEADER_BYTES]) -> Link {
    let hash = blake3::hash(header);
    let mut link = Link::default();
    link.0.copy_from_slice(&hash.as_bytes()[..16]);
    link
}

impl Header {
    pub(crate) fn encode(&self, seed: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.position.get().to_le_bytes());
        bytes[16..24].copy_from_slice(&self.writer.epoch.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.writer.id);
        bytes[40..56].copy_from_slice(&self.previous.0);
        bytes[56..64].copy_from_slice(&self.durable.get().to_le_bytes());
        bytes[64..68].copy_from_slice(&self.rest.to_le_bytes());
        bytes[68..72].copy_from_slice(&self.payload_checksum.to_le_bytes());
        // 72 to 75 stay zero for a later version.
        let checksum = crc32c::crc32c_append(seed, &bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header back; says what is wrong with bytes that are none.
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES], seed: u32) -> Result<Self, Flaw> {
        if bytes[..4] != MAGIC {
            return Err(if bytes.iter().all(|byte| *byte == 0) {
                Flaw::Blank
            } else {
                Flaw::NoRecord
            });
        }
        let expected = crc32c::crc32c_append(seed, &bytes[..CHECKSUM_AT]);
        let found = u32::from_le_bytes(part(bytes, CHECKSUM_AT));
        if expected != found && !planted(Bug::HeaderChecksumIgnored) {
            return Err(Flaw::HeaderChecksum { expected, found });
        }
        Ok(Self {
            length: u32::from_le_bytes(part(bytes, 4)),
            position: Position::new(u64::from_le_bytes(part(bytes, 8))),
            writer: Writer {
                epoch: u64::from_le_bytes(part(bytes, 16)),
                id: part(bytes, 24),
            },
            previous: Link(part(bytes, 40)),
            durable: Position::new(u64::from_le_bytes(part(bytes, 56))),
            rest: u32::from_le_bytes(part(bytes, 64)),
            payload_checksum: u32::from_le_bytes(part(bytes, 68)),
        })
    }

    /// Whether eight-byte aligned bytes can begin a header at all; the cheap test of a search.
    pub(crate) fn may_begin(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }
}

/// The `N` bytes at `at`.
pub(crate) fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

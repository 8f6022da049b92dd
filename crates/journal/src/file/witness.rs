//! The witness: a small file that remembers how far the journal is known to be durable.
//!
//! Without it, a tail that the disk forgot could not be told from one that was never written. It
//! has two slots in sectors of their own, written in turn, so that a torn write costs one of them.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::file::record::{Link, part};
use crate::{JournalId, Position};

pub(crate) const FILE_NAME: &str = "witness";

const SLOT_BYTES: usize = 88;
/// The distance of the two slots: a page, so that no write touches both.
const SLOT_STRIDE: u64 = 4096;
const CHECKSUM_AT: usize = 84;
const MAGIC: [u8; 8] = *b"CAPWIT01";
/// A position beyond it was never reached by counting: what has one is damaged.
const NEVER_REACHED: u64 = 1 << 63;

/// What one slot of the witness says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Testimony {
    pub(crate) journal: JournalId,
    /// Whether the first segment exists for certain; false only while a journal is being made.
    pub(crate) complete: bool,
    /// Everything below it was synced.
    pub(crate) durable: Position,
    /// The trim point.
    pub(crate) first: Position,
    /// The link of the last record below `durable`.
    pub(crate) link: Link,
}

/// The open witness file.
pub(crate) struct Witness {
    file: Arc<dyn DiskFile>,
    sequence: u64,
    said: Testimony,
}

impl Witness {
    /// Writes a new witness into an empty file, both slots, without syncing it.
    pub(crate) fn create(file: Arc<dyn DiskFile>, said: Testimony) -> io::Result<Self> {
        file.reserve(2 * SLOT_STRIDE)?;
        let mut witness = Self {
            file,
            sequence: 0,
            said,
        };
        witness.write(said)?;
        witness.write(said)?;
        Ok(witness)
    }

    /// Reads the newest whole slot; `None` when neither is.
    pub(crate) fn load(file: Arc<dyn DiskFile>) -> io::Result<Option<Self>> {
        let mut newest: Option<(u64, Testimony)> = None;
        for slot in 0..2 {
            let mut bytes = [0; SLOT_BYTES];
            let whole = file.read_at(&mut bytes, slot * SLOT_STRIDE)? == SLOT_BYTES;
            if let Some((sequence, said)) = decode(&bytes).filter(|_| whole)
                && newest.is_none_or(|(best, _)| is_after(sequence, best))
            {
                newest = Some((sequence, said));
            }
        }
        Ok(newest.map(|(sequence, said)| Self {
            file,
            sequence,
            said,
        }))
    }

    pub(crate) fn said(&self) -> Testimony {
        self.said
    }

    /// Writes the older slot; the caller syncs.
    pub(crate) fn write(&mut self, said: Testimony) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = encode(self.sequence, &said);
        let offset = (self.sequence % 2) * SLOT_STRIDE;
        self.file.write_at(&mut [IoSlice::new(&bytes)], offset)?;
        self.said = said;
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

/// Which of two slots is newer. The sequence goes round, so that none is the last: a slot that can be
/// read can be followed by another.
fn is_after(sequence: u64, other: u64) -> bool {
    sequence.wrapping_sub(other).cast_signed() > 0
}

fn encode(sequence: u64, said: &Testimony) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(&said.journal.to_bytes());
    bytes[24..32].copy_from_slice(&sequence.to_le_bytes());
    bytes[32..40].copy_from_slice(&said.durable.get().to_le_bytes());
    bytes[40..48].copy_from_slice(&said.first.get().to_le_bytes());
    bytes[48..64].copy_from_slice(&said.link.0);
    bytes[64] = u8::from(said.complete);
    // 65 to 83 stay zero for a later version.
    let checksum = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
    bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<(u64, Testimony)> {
    let checksum = u32::from_le_bytes(part(bytes, CHECKSUM_AT));
    if bytes[..8] != MAGIC || checksum != crc32c::crc32c(&bytes[..CHECKSUM_AT]) {
        return None;
    }
    let said = Testimony {
        journal: JournalId::from_bytes(part(bytes, 8)),
        complete: bytes[64] != 0,
        durable: Position::new(u64::from_le_bytes(part(bytes, 32))),
        first: Position::new(u64::from_le_bytes(part(bytes, 40))),
        link: Link(part(bytes, 48)),
    };
    let sequence = u64::from_le_bytes(part(bytes, 24));
    // Only what is durable was ever trimmed, and while a journal is being made it has no records.
    let made = said.complete || said.durable == Position::ZERO;
    let possible = made && said.first <= said.durable && said.durable.get() < NEVER_REACHED;
    possible.then_some((sequence, said))
}

#[cfg(test)]
mod tests {
    use crate::disk::Disk;
    use crate::disk::faulty::FaultyDisk;

    use super::*;

    #[test]
    fn a_slot_that_no_journal_wrote_is_damaged() {
        let said = Testimony {
            journal: JournalId::from_bytes([1; 16]),
            complete: true,
            durable: Position::new(NEVER_REACHED - 1),
            first: Position::ZERO,
            link: Link::default(),
        };
        assert!(decode(&encode(1, &said)).is_some());
        let durable = Position::new(NEVER_REACHED);
        assert_eq!(decode(&encode(1, &Testimony { durable, ..said })), None);
        let first = said.durable.advance(1);
        assert_eq!(decode(&encode(1, &Testimony { first, ..said })), None);
        let complete = false;
        assert_eq!(decode(&encode(1, &Testimony { complete, ..said })), None);
    }

    #[test]
    fn whatever_sequence_can_be_read_can_be_followed() {
        for sequence in [
            0,
            (1 << 63) - 2,
            (1 << 63) - 1,
            1 << 63,
            u64::MAX - 1,
            u64::MAX,
        ] {
            let disk = FaultyDisk::new(0);
            let file: Arc<dyn DiskFile> = disk.create(FILE_NAME).unwrap();
            let mut said = Testimony {
                journal: JournalId::from_bytes([1; 16]),
                complete: true,
                durable: Position::new(7),
                first: Position::ZERO,
                link: Link::default(),
            };
            let mut witness = Witness::create(Arc::clone(&file), said).unwrap();
            witness.sequence = sequence;
            witness.write(said).unwrap();
            for _ in 0..3 {
                witness.write(said).unwrap();
                witness = Witness::load(Arc::clone(&file))
                    .unwrap()
                    .expect("a whole slot");
                assert_eq!(witness.said().durable, said.durable, "after {sequence}");
                said.durable = said.durable.advance(1);
            }
        }
    }
}

//! What can be wrong with the bytes where a record should be.

use crate::Position;

/// What is wrong with the bytes where a record should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Nothing was ever written there, or what was written is gone.
    #[error("there is no record, only zeros")]
    Blank,
    /// The bytes are not a record's.
    #[error("the bytes are no record")]
    NoRecord,
    /// The file ends within the record.
    #[error("the file ends at byte {end}, the record at byte {needed}")]
    PastEnd {
        /// Where the file ends.
        end: u64,
        /// Where the record would end.
        needed: u64,
    },
    /// The header is not as it was written, or was written for another place.
    #[error("its header has checksum {found:08x}, expected {expected:08x}")]
    HeaderChecksum {
        /// What the bytes give.
        expected: u32,
        /// What is stored.
        found: u32,
    },
    /// The payload is not as it was written.
    #[error("its payload has checksum {found:08x}, expected {expected:08x}")]
    PayloadChecksum {
        /// What the header says.
        expected: u32,
        /// What the bytes give.
        found: u32,
    },
    /// A whole record, but of another place.
    #[error("it says position {found}, expected {expected}")]
    Position {
        /// The place it was found at.
        expected: Position,
        /// What it says.
        found: Position,
    },
    /// A whole record that does not follow the one before it: a fork or a rollback.
    #[error("it does not continue the chain of the record before it")]
    Chain,
    /// A whole record of a leadership that had been superseded.
    #[error("it has epoch {found}, or another writer of it, after epoch {newest}")]
    Writer {
        /// The newest epoch before it.
        newest: u64,
        /// Its own.
        found: u64,
    },
    /// A whole record of a group that is not whole: its last records are missing.
    #[error("the group that it belongs to is incomplete")]
    TornGroup,
}

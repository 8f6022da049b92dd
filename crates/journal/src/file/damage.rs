//! What makes a journal unfit to be opened: exact, and never acted upon.

use std::fmt;

use crate::file::flaw::Flaw;
use crate::file::segment::HeaderFlaw;
use crate::{JournalId, Position};

/// Something that was durable is missing, changed or of another journal.
///
/// Nothing is deleted or changed when it is found. `journal inspect` shows the whole picture, and
/// an explicit repair can cut the journal below it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// There are segments, and nothing that tells how far they reached.
    #[error("the witness file is missing beside {segments} segments")]
    WitnessMissing {
        /// How many segments there are.
        segments: usize,
    },
    /// Neither slot of the witness is whole.
    #[error("both slots of the witness file are damaged")]
    WitnessDamaged,
    /// The witness remembers other records than the segments hold.
    #[error(
        "the records below position {position} are not those that were synced: {file} is a \
             fork or an old copy"
    )]
    Fork {
        /// The position up to which the witness knew the journal to be durable.
        position: Position,
        /// The segment that holds the last record below it.
        file: String,
    },
    /// The oldest record that was not trimmed has no segment.
    #[error("no segment holds position {first}, expected {file} or one below")]
    NoSegment {
        /// The trim point.
        first: Position,
        /// The newest name that the segment may have.
        file: String,
    },
    /// A segment's header cannot be read.
    #[error("segment {file}: {flaw}")]
    SegmentHeader {
        /// The segment.
        file: String,
        /// What is wrong with its header.
        flaw: HeaderFlaw,
    },
    /// A segment belongs to another journal.
    #[error("segment {file} belongs to journal {found}, expected {expected}")]
    ForeignSegment {
        /// The segment.
        file: String,
        /// The journal that is being opened.
        expected: JournalId,
        /// The journal that it belongs to.
        found: JournalId,
    },
    /// A segment carries the name of another: renamed, swapped, copied.
    #[error("segment {file} says that it starts at position {found}")]
    MisnamedSegment {
        /// The segment.
        file: String,
        /// What its header says.
        found: Position,
    },
    /// Two segments hold the same positions.
    #[error("segment {file} reaches up to position {tail}, into its successor at {next}")]
    Overlap {
        /// The earlier segment.
        file: String,
        /// Where it ends.
        tail: Position,
        /// Where its successor starts.
        next: Position,
    },
    /// A segment does not continue the one before it: a fork.
    #[error("segment {file} does not continue the chain of the segment before it")]
    BrokenChain {
        /// The later segment.
        file: String,
    },
    /// Records that were synced are not there.
    #[error("records {from} to {last} are missing after byte {offset} of {file}: {proof}",
            last = .to.get() - 1)]
    Missing {
        /// The first missing record.
        from: Position,
        /// The position after the last record that is known to be missing.
        to: Position,
        /// The segment that they should be in, or follow.
        file: String,
        /// Where they should start in it, in bytes.
        offset: u64,
        /// How it is known that they were there.
        proof: Proof,
    },
    /// A record that was synced cannot be read.
    #[error(
        "the record at position {position} (byte {offset} of {file}) is damaged: {flaw}; \
             {proof}"
    )]
    Record {
        /// The first damaged record.
        position: Position,
        /// The segment that holds it.
        file: String,
        /// Where it starts, in bytes.
        offset: u64,
        /// What is wrong with it.
        flaw: Flaw,
        /// How it is known that it was durable.
        proof: Proof,
    },
}

/// How it is known that a lost record had been synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The witness remembers it.
    Witness {
        /// Everything below was synced.
        durable: Position,
    },
    /// A later record was written when it was durable.
    LaterRecord {
        /// The later record.
        position: Position,
        /// Where it starts in the same file, in bytes.
        offset: u64,
        /// Everything below was synced when it was written.
        durable: Position,
    },
    /// A later segment exists, and those are only begun when all below is synced.
    LaterSegment {
        /// The later segment.
        file: String,
        /// Where it starts.
        first: Position,
    },
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Witness { durable } => {
                write!(f, "the witness knows all below {durable} to be synced")
            }
            Self::LaterRecord {
                position,
                offset,
                durable,
            } => write!(
                f,
                "the record {position} at byte {offset} was written when all below {durable} was \
                 synced"
            ),
            Self::LaterSegment { file, first } => {
                write!(
                    f,
                    "segment {file} was begun when all below {first} was synced"
                )
            }
        }
    }
}

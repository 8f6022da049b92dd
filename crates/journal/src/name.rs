//! What names a record and who wrote it: position, journal id, writer.

use std::fmt;

use crate::planted::{Bug, planted};

/// A place in the journal: the number of records below it.
///
/// The first record of a journal has position 0. The *tail* is the position that the next record
/// will get, so it also counts all records ever written. Positions are never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The position of a journal's first record.
    pub const ZERO: Self = Self(0);

    /// The position with `below` records below it.
    pub const fn new(below: u64) -> Self {
        Self(below)
    }

    /// The number of records below this position.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position `records` further on.
    ///
    /// A journal that wrote a billion records a second would need centuries to overflow it.
    pub const fn advance(self, records: u64) -> Self {
        Self(self.0 + records)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one journal for ever: made once when it is created, part of every checksum in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalId([u8; 16]);

impl JournalId {
    /// A new id that no other journal has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().into_bytes())
    }

    /// The id with these bytes, for simulation and for reading one back.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id as it is stored.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JournalId({self})")
    }
}

/// One leadership: its number and the process that holds it.
///
/// Epochs grow and start at 1. An epoch belongs to the first writer that appended with it; the
/// same epoch with another id is refused like a stale one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Writer {
    /// The number of the leadership.
    pub epoch: u64,
    /// The process that leads, chosen at random when it starts.
    pub id: [u8; 16],
}

impl Writer {
    /// The writer of an empty journal: nobody, below every real epoch.
    pub const NOBODY: Self = Self {
        epoch: 0,
        id: [0; 16],
    };

    /// Whether an append by `next` is acceptable after one by `self`.
    pub(crate) fn yields_to(self, next: Self) -> bool {
        next.epoch > self.epoch
            || (next == self && self != Self::NOBODY)
            || planted(Bug::EpochNotChecked)
    }
}

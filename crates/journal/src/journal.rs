//! The contract that every backend keeps, and how each of its operations may end.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::disk::DiskFile;
use crate::{JournalId, Position, Writer};

/// The largest payload of one record, in bytes (memory and file). A batch of 10,000 tasks and
/// 4 MiB of request fits with all its events; the client splits what is larger.
pub const MAX_RECORD_BYTES: usize = 8 << 20;

/// The largest group of records in one append, in bytes of payload and of framing. It keeps one
/// sync below a tenth of a second on a disk that writes 400 MB/s.
pub const MAX_GROUP_BYTES: usize = 32 << 20;

/// An ordered, durable, fenced log of opaque records.
///
/// All operations block. There is one writing handle per process; any number of
/// [`JournalReader`]s may read and follow beside it from other threads.
pub trait Journal: Send {
    /// The id that this journal was created with.
    fn journal_id(&self) -> JournalId;

    /// The largest payload of one record, in bytes.
    fn max_record_bytes(&self) -> usize;

    /// The position that the next record will get. All records below it are durable.
    fn tail(&self) -> Position;

    /// The trim point: records below it can no longer be read.
    fn first(&self) -> Position;

    /// The writer of the newest record, [`Writer::NOBODY`] in a journal without one. A new leader
    /// takes an epoch above it.
    fn last_writer(&self) -> Writer;

    /// Appends all `records` at `expected`, with one sync for the whole group.
    ///
    /// The group is all or nothing, also after a crash. `Conflict` when `expected` is not the
    /// tail, or when `writer` has been superseded. No records at all is a check without a write.
    fn append(&mut self, expected: Position, writer: Writer, records: &[Bytes]) -> Append;

    /// Reads durable records from `from` on: at least one if there is one, and about `max_bytes`
    /// of payload at most. Empty when `from` is the tail. It may return fewer than there are.
    ///
    /// Payloads of one call share memory: keep a copy, not the payload, of what must live long.
    fn read(&self, from: Position, max_bytes: usize) -> Result<Vec<Entry>, ReadError>;

    /// An independent handle for reading and following, usable from another thread.
    fn reader(&self) -> Box<dyn JournalReader>;

    /// Gives up all records below `below`. A `below` under [`first`](Journal::first) changes
    /// nothing. A leader trims only what its store holds, synced and verified.
    fn trim(&mut self, below: Position, epoch: u64) -> Result<Freed, TrimError>;

    /// What need not be done within an append: the witness, the next segment. The caller calls it
    /// when it is idle and, while it is busy, at least every 100 ms.
    fn maintain(&mut self) -> Result<Room, Fault>;

    /// Marks a clean stop. Appends are refused as poisoned afterwards and followers are released.
    /// Dropping a journal without it is a crash, which costs a longer start and no data.
    fn close(&mut self) -> Result<(), Fault>;

    /// How many syncs were done since this handle was opened, witness and folder included.
    fn syncs(&self) -> u64;
}

/// What a trim gave up, for its caller to drop when nobody waits for the journal: only then the room
/// is free again, and some file systems take tens of milliseconds to free as much.
#[derive(Default)]
pub struct Freed(pub(crate) Vec<Arc<dyn DiskFile>>);

impl fmt::Debug for Freed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Freed({} files)", self.0.len())
    }
}

impl Freed {
    /// Whether to drop it does nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads and follows a journal beside its writer.
pub trait JournalReader: Send {
    /// As [`Journal::read`]. Reading on from where the last call ended is the fast case.
    fn read(&mut self, from: Position, max_bytes: usize) -> Result<Vec<Entry>, ReadError>;

    /// Waits until there is a durable record at `from` or `timeout` has passed, and returns the
    /// tail: above `from` when there is something to read. `Duration::ZERO` never waits.
    fn follow(&mut self, from: Position, timeout: Duration) -> Result<Position, ReadError>;
}

/// One durable record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the journal.
    pub position: Position,
    /// The leadership it was written under.
    pub epoch: u64,
    /// The id of the process that wrote it.
    pub writer_id: [u8; 16],
    /// What was appended, unchanged.
    pub payload: Bytes,
}

/// How an append ended. There is no fifth way.
#[derive(Debug)]
#[must_use = "an append that is not looked at may not have happened"]
pub enum Append {
    /// All records are durable; the next one goes to `tail`.
    Committed {
        /// The position after the last appended record.
        tail: Position,
    },
    /// Nothing was written: somebody else is further, or leads. Step down, do not retry.
    Conflict {
        /// Where the journal really ends.
        tail: Position,
    },
    /// Nothing was written, and the journal is as it was.
    Refused(Refusal),
    /// The group may or may not survive. The journal is poisoned: the process should end, and
    /// opening it again tells which.
    Unknown(Fault),
}

/// Why an append was definitely not written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One record is over the limit.
    #[error("a record of {got} bytes is over the limit of {limit}")]
    TooLarge {
        /// The most a record may have, in bytes.
        limit: usize,
        /// What it has.
        got: usize,
    },
    /// The group as a whole is over the limit.
    #[error("a group of {got} bytes is over the limit of {limit}")]
    GroupTooLarge {
        /// The most a group may have with its framing, in bytes.
        limit: usize,
        /// What it has.
        got: usize,
    },
    /// The disk has no room for the segment that the group needs.
    #[error("the disk has no room for {needed} bytes")]
    NoSpace {
        /// What had to be reserved, in bytes.
        needed: u64,
    },
    /// The backend takes no writes now: a file system mounted read-only, a standby database.
    #[error("the journal's storage is read-only")]
    ReadOnly,
}

/// Whether the journal can go on beyond its current segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is room, or it is too early to ask.
    Enough,
    /// The next segment could not be reserved. What is left of the current one (about half) is for
    /// completions, cancels and whatever lets the journal be trimmed.
    NoSpace {
        /// What could not be reserved, in bytes.
        needed: u64,
    },
}

/// A failure after which the journal does not trust its storage any more: it is poisoned, does
/// nothing further, and never retries a sync (a second one may report success for data that the
/// kernel has dropped). The process should end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A write failed, so that part of it may be there.
    #[error("writing to {file} failed: {source}")]
    Write {
        /// The file, by its name in the journal's folder.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// A sync failed, so that what was written before may be there or not.
    #[error("syncing {file} failed: {source}")]
    Sync {
        /// The file, by its name in the journal's folder.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// A file could not be created, renamed, removed, or the folder not synced.
    #[error("changing the folder entry of {file} failed: {source}")]
    Folder {
        /// The file, by its name in the journal's folder.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// An earlier call failed or closed the journal; this one did nothing.
    #[error("the journal was poisoned by an earlier failure, or closed")]
    Poisoned,
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The records are gone on purpose.
    #[error("position {from} is below the trim point {first}")]
    Trimmed {
        /// What was asked for.
        from: Position,
        /// The first position that can be read.
        first: Position,
    },
    /// Nothing that is durable reaches that far, so the caller has the wrong journal or position.
    #[error("position {from} is beyond the tail {tail}")]
    BeyondTail {
        /// What was asked for.
        from: Position,
        /// Where the journal ends.
        tail: Position,
    },
    /// A record that was whole when the journal was opened is not any more.
    #[error("the record at position {position} ({file}, offset {offset}) is damaged: {flaw}")]
    Damaged {
        /// The record.
        position: Position,
        /// The file that holds it.
        file: String,
        /// Where it starts in the file, in bytes.
        offset: u64,
        /// What is wrong with it.
        flaw: crate::file::Flaw,
    },
    /// The disk could not be read.
    #[error("reading {file} failed: {source}")]
    Io {
        /// The file, by its name in the journal's folder.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// The writer is gone or poisoned: nothing more will ever come to this handle.
    #[error("the journal is closed")]
    Closed,
}

/// Why a trim was not done.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// A later leadership exists.
    #[error("epoch {got} is stale, the newest is {newest}")]
    StaleEpoch {
        /// The newest epoch in the journal.
        newest: u64,
        /// The caller's.
        got: u64,
    },
    /// Records that do not exist yet cannot be given up.
    #[error("cannot trim below {below}, the tail is {tail}")]
    BeyondTail {
        /// What was asked for.
        below: Position,
        /// Where the journal ends.
        tail: Position,
    },
    /// The storage failed; the journal is poisoned.
    #[error(transparent)]
    Fault(#[from] Fault),
}

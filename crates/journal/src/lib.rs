//! The journal: ordered, durable, fenced records.
//!
//! One operation carries everything: [`Journal::append`] at an expected position either commits, or
//! says precisely what it did not do. It persists, fences and elects at once. The journal never
//! knows what a task is: records are opaque bytes, and leadership is a record like any other.
//!
//! Everything here is synchronous and blocks. The server calls it from a thread of its own; the
//! simulation calls it directly, on a [`disk::faulty::FaultyDisk`].
//!
//! ```
//! use capataz_journal::{Append, Journal, JournalId, MemoryJournal, Position, Writer};
//!
//! let mut journal = MemoryJournal::new(JournalId::random());
//! let writer = Writer { epoch: 1, id: [7; 16] };
//! let group = ["first".into(), "second".into()];
//! let ended = journal.append(Position::ZERO, writer, &group);
//! assert!(matches!(ended, Append::Committed { tail } if tail == Position::new(2)));
//! let late = journal.append(Position::ZERO, writer, &group);
//! assert!(matches!(late, Append::Conflict { .. }));
//! ```
//!
//! Two backends live here: [`MemoryJournal`], and [`FileJournal`] over a small [`disk::Disk`].
//! The bytes on disk are described in `docs/reference/journal-format.md`, the decisions in
//! `docs/design/journal.md`.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod disk;
pub mod file;
mod journal;
mod memory;
mod name;
pub mod planted;

pub use file::{FileJournal, FileOptions, OpenError};
pub use journal::{
    Append, Entry, Fault, Freed, Journal, JournalReader, MAX_GROUP_BYTES, MAX_RECORD_BYTES,
    ReadError, Refusal, Room, TrimError,
};
pub use memory::MemoryJournal;
pub use name::{JournalId, Position, Writer};

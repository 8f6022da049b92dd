//! The embedded journal: segment files in one folder, and a witness of what was synced.
//!
//! An append is one write and one sync. Everything else (the witness, the next segment) is done in
//! [`Journal::maintain`](crate::Journal::maintain), by the caller's clock.

mod append;
mod damage;
mod flaw;
mod frame;
mod inspect;
mod open;
mod place;
mod reader;
mod record;
mod repair;
mod scan;
mod segment;
mod shared;
mod survey;
mod witness;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use append::FileJournal;
pub use damage::{Damage, Proof};
pub use flaw::Flaw;
pub use inspect::{Inspection, SegmentReport, WitnessReport, inspect, inspect_on};
pub use open::OpenError;
pub use repair::{RepairError, Repaired, repair_cut_at, repair_cut_at_on};
pub use segment::HeaderFlaw;
pub use survey::DiskError;

use crate::disk::RealDisk;
use crate::{JournalId, MAX_GROUP_BYTES};

/// The size of a segment unless somebody says otherwise, in bytes: large enough that a new one is
/// rare, small enough that rewriting one at start takes a fraction of a second.
pub const SEGMENT_BYTES: u64 = 64 << 20;

const LOCK_NAME: &str = "lock";
/// The next segment before it has a position.
const SPARE_NAME: &str = "spare";

/// How a file journal is made and written.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// The size of new segments, in bytes. A group that needs more gets a longer one.
    pub segment_bytes: u64,
    /// The id that the journal gets when it is made by this call; ignored when there is one.
    pub new_id: JournalId,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            new_id: JournalId::random(),
        }
    }
}

impl FileJournal {
    /// Opens the journal in the folder at `path`, or makes one when the folder has none.
    ///
    /// # Errors
    /// [`OpenError`]; a damaged journal is refused and left as it is.
    pub fn open(path: impl Into<PathBuf>, options: FileOptions) -> Result<Self, OpenError> {
        let name_it = |source: io::Error| DiskError {
            file: ".".to_owned(),
            source,
        };
        let disk = RealDisk::create(path).map_err(name_it)?;
        Self::open_on(Arc::new(disk), options)
    }
}

const _: () = assert!(MAX_GROUP_BYTES as u64 <= SEGMENT_BYTES / 2);

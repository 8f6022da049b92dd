//! Where the next group goes: filling ahead, reserving the next segment, rolling over to it.
//!
//! What happens here never touches a record, so a full disk found here is a refusal and no doubt.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::file::SPARE_NAME;
use crate::file::append::FileJournal;
use crate::file::record::seed;
use crate::file::segment::{RECORDS_AT, Segment, SegmentHeader, file_name};
use crate::{Fault, Position, Refusal};

/// How far ahead of the records a segment is filled with zeros, in bytes. A sync of blocks that
/// were written before changes no metadata; the fill itself costs one slower sync each time.
const FILL_STRIDE: usize = 1 << 20;
/// Groups from this size on are written without filling first, in bytes. Measured: filling doubles
/// the rate of 64 KiB groups and costs 1 MiB groups more than it saves.
const FILL_BELOW: u64 = 128 << 10;
static ZEROS: [u8; FILL_STRIDE] = [0; FILL_STRIDE];

/// The segment that is being written.
pub(super) struct Current {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) first: Position,
    pub(super) seed: u32,
    /// Where the next record goes, in bytes.
    pub(super) end: u64,
    /// The file's size, in bytes.
    pub(super) capacity: u64,
    /// All up to here was written since the file was opened.
    pub(super) filled: u64,
}

/// The next segment: it has its room on the disk, but no position yet.
pub(super) struct Spare {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) capacity: u64,
}

/// Why there is no place for a group.
pub(super) enum NoPlace {
    Refused(Refusal),
    Failed(Fault),
}

impl FileJournal {
    /// Makes sure that `bytes` fit at the end of the current segment, which may become a new one.
    pub(super) fn make_place(&mut self, bytes: u64) -> Result<(), NoPlace> {
        if self.current.end + bytes > self.current.capacity {
            self.prepare_spare(bytes)?;
            self.roll().map_err(NoPlace::Failed)?;
        }
        let current = &mut self.current;
        if bytes < FILL_BELOW && current.end + bytes > current.filled {
            let from = current.filled.max(current.end);
            let length = (current.capacity - from).min(FILL_STRIDE as u64);
            let zeros = &ZEROS[..length as usize];
            current
                .file
                .write_at(&mut [IoSlice::new(zeros)], from)
                .map_err(|source| no_place(file_name(current.first), length, source))?;
            current.filled = from + length;
        }
        Ok(())
    }

    /// Reserves the next segment, large enough for a group of `bytes`.
    pub(super) fn prepare_spare(&mut self, bytes: u64) -> Result<(), NoPlace> {
        let capacity = self.options.segment_bytes.max(RECORDS_AT + bytes);
        if self
            .spare
            .as_ref()
            .is_some_and(|spare| spare.capacity >= capacity)
        {
            return Ok(());
        }
        self.spare = None;
        // Trying to reserve more than there is would take all of it from others for a moment.
        if self.disk.free_bytes().is_ok_and(|free| free < capacity) {
            return Err(NoPlace::Refused(Refusal::NoSpace { needed: capacity }));
        }
        let file = self
            .disk
            .create(SPARE_NAME)
            .map_err(|source| no_place(SPARE_NAME.to_owned(), capacity, source))?;
        if let Err(source) = file.reserve(capacity) {
            drop(file);
            // What was reserved in part must not keep the room from others. It is no harm if it
            // stays: it is removed when the journal is opened.
            let _ = self.disk.remove(SPARE_NAME);
            return Err(no_place(SPARE_NAME.to_owned(), capacity, source));
        }
        self.spare = Some(Spare { file, capacity });
        Ok(())
    }

    /// Begins the next segment in the spare one. All records are durable by now.
    fn roll(&mut self) -> Result<(), Fault> {
        let Some(spare) = self.spare.take() else {
            return Ok(());
        };
        let first = self.standing.position;
        let name = file_name(first);
        let header = SegmentHeader {
            journal: self.journal,
            first,
            previous: self.standing.link,
            writer: self.standing.writer,
        };
        let file = name.clone();
        header
            .write(&*spare.file)
            .map_err(|source| Fault::Write { file, source })?;
        let file = name.clone();
        spare
            .file
            .sync()
            .map_err(|source| Fault::Sync { file, source })?;
        self.disk
            .rename(SPARE_NAME, &name)
            .and_then(|()| self.disk.sync_folder(""))
            .map_err(|source| Fault::Folder { file: name, source })?;
        self.syncs += 2;
        self.current = Current {
            file: Arc::clone(&spare.file),
            first,
            seed: seed(self.journal, first),
            end: RECORDS_AT,
            capacity: spare.capacity,
            filled: RECORDS_AT,
        };
        self.shared
            .begin_segment(Segment::new(self.journal, first, spare.file));
        Ok(())
    }
}

/// A disk that is full or read-only refuses, with nothing of the group written; all other errors
/// are failures.
fn no_place(file: String, needed: u64, source: io::Error) -> NoPlace {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            NoPlace::Refused(Refusal::NoSpace { needed })
        }
        io::ErrorKind::ReadOnlyFilesystem => NoPlace::Refused(Refusal::ReadOnly),
        _ => NoPlace::Failed(Fault::Write { file, source }),
    }
}

//! The writer: appends, rolls to new segments, trims, and keeps the witness.

use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Disk, DiskFile, DiskLock};
use crate::file::frame::Framer;
use crate::file::open::{Opened, open};
use crate::file::reader::{self, FileReader};
use crate::file::record::{HEADER_BYTES, framed_bytes, seed};
use crate::file::scan::Standing;
use crate::file::segment::{RECORDS_AT, Segment, SegmentHeader, file_name};
use crate::file::shared::Shared;
use crate::file::witness::{self, Testimony, Witness};
use crate::file::{FileOptions, OpenError, SPARE_NAME};
use crate::memory::check_sizes;
use crate::{
    Append, Entry, Fault, Journal, JournalId, JournalReader, MAX_RECORD_BYTES, Position, ReadError,
    Refusal, Room, TrimError, Writer,
};

/// How far ahead of the records a segment is filled with zeros, in bytes. A sync of blocks that
/// were written before changes no metadata; the fill itself costs one slower sync each time.
const FILL_STRIDE: usize = 1 << 20;
/// Groups from this size on are written without filling first, in bytes: writing such data twice
/// costs more than the metadata.
const FILL_BELOW: u64 = 64 << 10;
static ZEROS: [u8; FILL_STRIDE] = [0; FILL_STRIDE];

/// The journal in a folder of files.
pub struct FileJournal {
    disk: Arc<dyn Disk>,
    _lock: Box<dyn DiskLock>,
    options: FileOptions,
    journal: JournalId,
    shared: Arc<Shared>,
    witness: Witness,
    standing: Standing,
    current: Current,
    spare: Option<Spare>,
    framer: Framer,
    poisoned: bool,
    syncs: u64,
}

/// The segment that is being written.
struct Current {
    file: Arc<dyn DiskFile>,
    first: Position,
    seed: u32,
    /// Where the next record goes, in bytes.
    end: u64,
    /// The file's size, in bytes.
    capacity: u64,
    /// All up to here was written since the file was opened.
    filled: u64,
}

/// The next segment: it has its room on the disk, but no position yet.
struct Spare {
    file: Arc<dyn DiskFile>,
    capacity: u64,
}

/// Why there is no place for a group.
enum NoPlace {
    Refused(Refusal),
    Failed(Fault),
}

impl FileJournal {
    /// Opens the journal on `disk`, or makes one when there is none.
    ///
    /// # Errors
    /// [`OpenError`]; a damaged journal is refused and left as it is.
    pub fn open_on(disk: Arc<dyn Disk>, options: FileOptions) -> Result<Self, OpenError> {
        let opened = open(&*disk, &options)?;
        let Opened {
            lock,
            witness,
            journal,
            first,
            standing,
            segments,
            capacity,
            syncs,
        } = opened;
        let last = segments.last().expect("an opened journal has a segment");
        let current = Current {
            file: Arc::clone(&last.file),
            first: last.first,
            seed: last.seed,
            end: last.end,
            capacity,
            filled: last.end,
        };
        Ok(Self {
            disk,
            _lock: lock,
            options,
            journal,
            shared: Arc::new(Shared::new(first, standing.position, segments)),
            witness,
            standing,
            current,
            spare: None,
            framer: Framer::default(),
            poisoned: false,
            syncs,
        })
    }

    /// Ends all use of this handle, now and for followers; returns what the call failed with.
    fn poison(&mut self, fault: Fault) -> Fault {
        self.poisoned = true;
        self.shared.close();
        fault
    }

    /// Writes and syncs a group for which there is room.
    fn write_group(&mut self, writer: Writer, records: &[Bytes], bytes: u64) -> Result<(), Fault> {
        let current = &mut self.current;
        let file = &*current.file;
        let name = || file_name(current.first);
        let next = self
            .framer
            .frame(current.seed, self.standing, writer, records);
        self.framer
            .write(file, current.end, records)
            .map_err(|source| Fault::Write {
                file: name(),
                source,
            })?;
        file.sync().map_err(|source| Fault::Sync {
            file: name(),
            source,
        })?;
        self.framer.shrink();
        self.syncs += 1;
        current.end += bytes;
        current.filled = current.filled.max(current.end);
        self.standing = next;
        self.shared.publish(records.iter().map(Bytes::len));
        Ok(())
    }

    /// Makes sure that `bytes` fit at the end of the current segment, which may become a new one.
    fn make_place(&mut self, bytes: u64) -> Result<(), NoPlace> {
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
    fn prepare_spare(&mut self, bytes: u64) -> Result<(), NoPlace> {
        let capacity = self.options.segment_bytes.max(RECORDS_AT + bytes);
        if self
            .spare
            .as_ref()
            .is_some_and(|spare| spare.capacity >= capacity)
        {
            return Ok(());
        }
        self.spare = None;
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

    /// Writes down in the witness what is durable, in `slots` of its slots.
    fn testify(&mut self, first: Position, slots: usize) -> Result<(), Fault> {
        let file = || witness::FILE_NAME.to_owned();
        let said = Testimony {
            durable: self.standing.position,
            link: self.standing.link,
            first,
            ..self.witness.said()
        };
        for _ in 0..slots {
            self.witness.write(said).map_err(|source| Fault::Write {
                file: file(),
                source,
            })?;
            self.witness.sync().map_err(|source| Fault::Sync {
                file: file(),
                source,
            })?;
            self.syncs += 1;
        }
        Ok(())
    }

    /// Removes segments that were trimmed away.
    fn remove(&mut self, segments: &[Segment]) -> Result<(), Fault> {
        for segment in segments {
            let file = segment.name();
            self.disk
                .remove(&file)
                .map_err(|source| Fault::Folder { file, source })?;
        }
        if !segments.is_empty() {
            let file = ".".to_owned();
            self.disk
                .sync_folder("")
                .map_err(|source| Fault::Folder { file, source })?;
            self.syncs += 1;
        }
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

impl Journal for FileJournal {
    fn journal_id(&self) -> JournalId {
        self.journal
    }

    fn max_record_bytes(&self) -> usize {
        MAX_RECORD_BYTES
    }

    fn tail(&self) -> Position {
        self.shared.tail()
    }

    fn first(&self) -> Position {
        self.shared.first()
    }

    fn last_writer(&self) -> Writer {
        self.standing.writer
    }

    fn append(&mut self, expected: Position, writer: Writer, records: &[Bytes]) -> Append {
        if self.poisoned {
            return Append::Unknown(Fault::Poisoned);
        }
        let tail = self.standing.position;
        if expected != tail || !self.standing.writer.yields_to(writer) {
            return Append::Conflict { tail };
        }
        if let Err(refusal) = check_sizes(records, HEADER_BYTES) {
            return Append::Refused(refusal);
        }
        if records.is_empty() {
            return Append::Committed { tail };
        }
        let bytes = records
            .iter()
            .map(|record| framed_bytes(record.len()) as u64)
            .sum();
        match self.make_place(bytes) {
            Ok(()) => {}
            Err(NoPlace::Refused(refusal)) => return Append::Refused(refusal),
            Err(NoPlace::Failed(fault)) => return Append::Unknown(self.poison(fault)),
        }
        match self.write_group(writer, records, bytes) {
            Ok(()) => Append::Committed {
                tail: self.standing.position,
            },
            Err(fault) => Append::Unknown(self.poison(fault)),
        }
    }

    fn read(&self, from: Position, max_bytes: usize) -> Result<Vec<Entry>, ReadError> {
        reader::read(&self.shared, &mut None, from, max_bytes)
    }

    fn reader(&self) -> Box<dyn JournalReader> {
        Box::new(FileReader {
            shared: Arc::clone(&self.shared),
            cursor: None,
        })
    }

    fn trim(&mut self, below: Position, epoch: u64) -> Result<(), TrimError> {
        if self.poisoned {
            return Err(Fault::Poisoned.into());
        }
        let newest = self.standing.writer.epoch;
        if epoch < newest {
            return Err(TrimError::StaleEpoch { newest, got: epoch });
        }
        let tail = self.standing.position;
        if below > tail {
            return Err(TrimError::BeyondTail { below, tail });
        }
        if below <= self.shared.first() {
            return Ok(());
        }
        // Both slots know the trim point before anything is removed: with one of them lost, the
        // other must not miss what was given up on purpose.
        self.testify(below, 2).map_err(|fault| self.poison(fault))?;
        let segments = self.shared.trim(below);
        self.remove(&segments).map_err(|fault| self.poison(fault))?;
        Ok(())
    }

    fn maintain(&mut self) -> Result<Room, Fault> {
        if self.poisoned {
            return Err(Fault::Poisoned);
        }
        if self.witness.said().durable != self.standing.position {
            self.testify(self.witness.said().first, 1)
                .map_err(|fault| self.poison(fault))?;
        }
        if self.current.end <= self.current.capacity / 2 {
            return Ok(Room::Enough);
        }
        match self.prepare_spare(0) {
            Ok(()) => Ok(Room::Enough),
            Err(NoPlace::Refused(_)) => Ok(Room::NoSpace {
                needed: self.options.segment_bytes,
            }),
            Err(NoPlace::Failed(fault)) => Err(self.poison(fault)),
        }
    }

    fn close(&mut self) -> Result<(), Fault> {
        if self.poisoned {
            return Err(Fault::Poisoned);
        }
        let ended = self.testify(self.witness.said().first, 2);
        self.poisoned = true;
        self.shared.close();
        ended
    }

    fn syncs(&self) -> u64 {
        self.syncs
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        self.shared.close();
    }
}

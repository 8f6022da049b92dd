//! The writer: appends, trims, and keeps the witness.

use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Disk, DiskLock};
use crate::file::frame::Framer;
use crate::file::open::{Opened, open};
use crate::file::place::{Current, NoPlace, Spare};
use crate::file::reader::{self, FileReader};
use crate::file::record::{HEADER_BYTES, framed_bytes};
use crate::file::scan::Standing;
use crate::file::segment::{Segment, file_name};
use crate::file::shared::Shared;
use crate::file::witness::{self, Testimony, Witness};
use crate::file::{FileOptions, OpenError};
use crate::memory::check_sizes;
use crate::{
    Append, Entry, Fault, Freed, Journal, JournalId, JournalReader, MAX_RECORD_BYTES, Position,
    ReadError, Room, TrimError, Writer,
};

/// The journal in a folder of files.
pub struct FileJournal {
    pub(super) disk: Arc<dyn Disk>,
    _lock: Box<dyn DiskLock>,
    pub(super) options: FileOptions,
    pub(super) journal: JournalId,
    pub(super) shared: Arc<Shared>,
    witness: Witness,
    pub(super) standing: Standing,
    pub(super) current: Current,
    pub(super) spare: Option<Spare>,
    framer: Framer,
    poisoned: bool,
    pub(super) syncs: u64,
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

    /// Removes the names of segments that were trimmed away.
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

    fn trim(&mut self, below: Position, epoch: u64) -> Result<Freed, TrimError> {
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
            return Ok(Freed::default());
        }
        // Both slots know the trim point before anything is removed: with one of them lost, the
        // other must not miss what was given up on purpose.
        self.testify(below, 2).map_err(|fault| self.poison(fault))?;
        let segments = self.shared.trim(below);
        self.remove(&segments).map_err(|fault| self.poison(fault))?;
        Ok(Freed(
            segments.into_iter().map(|segment| segment.file).collect(),
        ))
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

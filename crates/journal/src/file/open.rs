//! Making a journal, and opening one: survey, refuse or cut, rewrite the tail, then serve.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, DiskLock};
use crate::file::damage::Damage;
use crate::file::record::Link;
use crate::file::scan::{CHUNK_BYTES, Standing};
use crate::file::segment::{RECORDS_AT, Segment, SegmentHeader, file_name};
use crate::file::survey::{DiskError, GENESIS, Survey, at};
use crate::file::witness::{self, Testimony, Witness};
use crate::file::{FileOptions, LOCK_NAME, SPARE_NAME};
use crate::{JournalId, Position};

/// Where a segment is written anew before it replaces the old one.
const REWRITE_NAME: &str = "rewrite.tmp";
/// Where a new witness is written before it gets its name.
const WITNESS_TMP_NAME: &str = "witness.tmp";

/// Why a file journal was not opened. Nothing that was there has been changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle of this one, has the journal open.
    #[error("the journal is in use by another process (lock file {file})")]
    Locked {
        /// The lock file, by its name in the journal's folder.
        file: String,
    },
    /// Something that was durable is lost or changed.
    #[error("the journal is damaged: {0}")]
    Damaged(#[from] Damage),
    /// The disk could not be read or written.
    #[error("the disk failed: {0}")]
    Disk(#[from] DiskError),
}

/// A journal that is ready to be written.
pub(crate) struct Opened {
    pub(crate) lock: Box<dyn DiskLock>,
    pub(crate) witness: Witness,
    pub(crate) journal: JournalId,
    pub(crate) first: Position,
    pub(crate) standing: Standing,
    pub(crate) segments: Vec<Segment>,
    /// The last segment's file size, in bytes.
    pub(crate) capacity: u64,
    pub(crate) syncs: u64,
}

/// Locks the folder, surveys it, and makes what it holds durable or refuses.
pub(crate) fn open(disk: &dyn Disk, options: &FileOptions) -> Result<Opened, OpenError> {
    let lock = take_lock(disk)?;
    let mut survey = Survey::take(disk)?;
    if let Some(damage) = survey.damage.take() {
        return Err(damage.into());
    }
    // Room first: what is removed here was never part of the journal.
    discard(disk)?;
    let unfinished = survey.said().is_none_or(|said| !said.complete);
    if unfinished {
        survey = make(disk, options, survey)?;
    }
    let mut opened = settle(lock, survey)?;
    if opened.must_rewrite {
        opened.rewrite_tail(disk, options.segment_bytes)?;
    }
    opened.finish(disk)
}

pub(crate) fn take_lock(disk: &dyn Disk) -> Result<Box<dyn DiskLock>, OpenError> {
    disk.lock(LOCK_NAME).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            let file = LOCK_NAME.to_owned();
            OpenError::Locked { file }
        } else {
            OpenError::Disk(at(LOCK_NAME)(error))
        }
    })
}

/// Removes the files of operations that did not finish.
fn discard(disk: &dyn Disk) -> Result<(), DiskError> {
    for name in [SPARE_NAME, REWRITE_NAME, WITNESS_TMP_NAME] {
        match disk.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(name)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Makes a new journal, or finishes the making of one.
///
/// The witness comes first and says that the first segment may not exist yet. Once it says that
/// the journal is complete, a folder without the first segment is damage, not a beginning.
fn make(disk: &dyn Disk, options: &FileOptions, survey: Survey) -> Result<Survey, OpenError> {
    let journal = match survey.witness {
        Some(witness) => witness.said().journal,
        None => options.new_id,
    };
    let said = Testimony {
        journal,
        complete: false,
        durable: Position::ZERO,
        first: Position::ZERO,
        link: Link::default(),
    };
    write_witness(disk, said)?;
    let header = SegmentHeader {
        journal,
        first: Position::ZERO,
        previous: GENESIS.link,
        writer: GENESIS.writer,
    };
    let name = file_name(Position::ZERO);
    let file = disk.create(REWRITE_NAME).map_err(at(REWRITE_NAME))?;
    file.reserve(options.segment_bytes).map_err(at(&name))?;
    header.write(&*file).map_err(at(&name))?;
    file.sync().map_err(at(&name))?;
    disk.rename(REWRITE_NAME, &name).map_err(at(&name))?;
    disk.sync_folder("").map_err(at("."))?;
    let complete = true;
    write_witness(disk, Testimony { complete, ..said })?;
    Ok(Survey::take(disk)?)
}

/// Puts a wholly new witness in place, atomically.
pub(crate) fn write_witness(disk: &dyn Disk, said: Testimony) -> Result<(), DiskError> {
    let file = disk
        .create(WITNESS_TMP_NAME)
        .map_err(at(WITNESS_TMP_NAME))?;
    let witness = Witness::create(file, said).map_err(at(WITNESS_TMP_NAME))?;
    witness.sync().map_err(at(WITNESS_TMP_NAME))?;
    let name = witness::FILE_NAME;
    disk.rename(WITNESS_TMP_NAME, name).map_err(at(name))?;
    disk.sync_folder("").map_err(at("."))
}

/// A surveyed journal without damage, on its way to being served.
struct Settling {
    lock: Box<dyn DiskLock>,
    witness: Witness,
    said: Testimony,
    standing: Standing,
    segments: Vec<Segment>,
    leftovers: Vec<Position>,
    capacity: u64,
    must_rewrite: bool,
    syncs: u64,
}

/// Takes from the survey what a journal without damage must have.
fn settle(lock: Box<dyn DiskLock>, survey: Survey) -> Result<Settling, OpenError> {
    let Some(witness) = survey.witness else {
        return Err(Damage::WitnessDamaged.into());
    };
    let said = witness.said();
    let last = survey.segments.last();
    let (Some(last), Some(standing)) = (last, last.and_then(|last| last.standing)) else {
        let (first, file) = (said.first, file_name(said.first));
        return Err(Damage::NoSegment { first, file }.into());
    };
    Ok(Settling {
        lock,
        witness,
        said,
        standing,
        leftovers: survey.leftovers,
        capacity: last.size,
        // What the witness does not know to be synced may be in the page cache only, left there
        // by a sync that failed: it is served only after it was written and synced again.
        must_rewrite: survey.ragged || standing.position != said.durable,
        segments: survey
            .segments
            .into_iter()
            .map(|found| found.segment)
            .collect(),
        syncs: 0,
    })
}

impl Settling {
    /// Replaces the last segment by a copy of its whole records, with nothing but zeros after.
    fn rewrite_tail(&mut self, disk: &dyn Disk, segment_bytes: u64) -> Result<(), DiskError> {
        let Some(segment) = self.segments.last_mut() else {
            return Ok(());
        };
        let name = segment.name();
        let (file, capacity) = rewrite(disk, &name, &*segment.file, segment.end, segment_bytes)?;
        segment.file = file;
        self.capacity = capacity;
        self.syncs += 2;
        Ok(())
    }

    /// Writes the witness, finishes an interrupted trim, and makes the folder durable.
    fn finish(mut self, disk: &dyn Disk) -> Result<Opened, OpenError> {
        self.said.durable = self.standing.position;
        self.said.link = self.standing.link;
        for _ in 0..2 {
            self.witness
                .write(self.said)
                .map_err(at(witness::FILE_NAME))?;
            self.witness.sync().map_err(at(witness::FILE_NAME))?;
        }
        for first in &self.leftovers {
            let name = file_name(*first);
            disk.remove(&name).map_err(at(&name))?;
        }
        // Also for the name of a segment that was begun just before a kill: records go to it next.
        disk.sync_folder("").map_err(at("."))?;
        Ok(Opened {
            lock: self.lock,
            witness: self.witness,
            journal: self.said.journal,
            first: self.said.first,
            standing: self.standing,
            segments: self.segments,
            capacity: self.capacity,
            // Two slots of the witness and the folder.
            syncs: self.syncs + 3,
        })
    }
}

/// Replaces the segment `name` by a copy of its first `end` bytes, atomically; returns the new file
/// and its size.
pub(crate) fn rewrite(
    disk: &dyn Disk,
    name: &str,
    old: &dyn DiskFile,
    end: u64,
    segment_bytes: u64,
) -> Result<(Arc<dyn DiskFile>, u64), DiskError> {
    let new = disk.create(REWRITE_NAME).map_err(at(REWRITE_NAME))?;
    match new.reserve(segment_bytes.max(end)) {
        // On a full disk a short segment still serves: the next append will ask for a new one.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
        other => other.map_err(at(REWRITE_NAME))?,
    }
    copy(old, &*new, end).map_err(at(name))?;
    new.sync().map_err(at(REWRITE_NAME))?;
    disk.rename(REWRITE_NAME, name).map_err(at(name))?;
    disk.sync_folder("").map_err(at("."))?;
    let capacity = new.size().map_err(at(name))?;
    Ok((new, capacity.max(RECORDS_AT)))
}

/// Copies the first `end` bytes.
pub(crate) fn copy(from: &dyn DiskFile, to: &dyn DiskFile, end: u64) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    while offset < end {
        let length = (end - offset).min(CHUNK_BYTES as u64) as usize;
        let got = from.read_at(&mut chunk[..length], offset)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_at(&mut [IoSlice::new(&chunk[..got])], offset)?;
        offset += got as u64;
    }
    Ok(())
}

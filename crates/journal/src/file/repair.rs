//! The explicit repair of a damaged journal: cut it at a position that the operator names.
//!
//! Nothing is deleted. All files that change or go are kept in a folder `damaged-<position>`, and
//! that is durable before the first change.

use std::io;
use std::path::PathBuf;

use crate::Position;
use crate::disk::{Disk, RealDisk};
use crate::file::open::{OpenError, copy, rewrite, take_lock, write_witness};
use crate::file::scan::Standing;
use crate::file::segment::file_name;
use crate::file::survey::{DiskError, Survey, at};
use crate::file::witness::{self, Testimony};

/// How many folders for kept files one position may have; more would be a script gone wrong.
const MAX_FOLDERS: u32 = 1000;

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The folder that holds the files as they were, inside the journal's folder.
    pub folder: String,
    /// The files in it.
    pub kept: Vec<String>,
    /// The tail that the journal has now.
    pub tail: Position,
}

/// Why a journal was not cut. Nothing of it was changed, unless the disk failed: then the repair can
/// be asked for again.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Another process has the journal open.
    #[error("the journal is in use by another process (lock file {file})")]
    Locked {
        /// The lock file, by its name in the journal's folder.
        file: String,
    },
    /// There is damage below the position, so that a cut there repairs nothing.
    #[error("cannot cut at position {position}: records can only be read up to {tail}")]
    DamageBelow {
        /// Where the cut was wanted.
        position: Position,
        /// The highest position that can be cut at.
        tail: Position,
    },
    /// The position is in the part that was trimmed, or in none.
    #[error("cannot cut at position {position}: the journal starts at {first}")]
    BelowFirst {
        /// Where the cut was wanted.
        position: Position,
        /// The lowest position that can be cut at.
        first: Position,
    },
    /// The position is within a group, which is kept as a whole or not at all.
    #[error(
        "cannot cut at position {position}, within the group of records that starts at {group}"
    )]
    WithinGroup {
        /// Where the cut was wanted.
        position: Position,
        /// The next lower position that can be cut at.
        group: Position,
    },
    /// No segment can be read at all.
    #[error("no segment of the journal can be read")]
    NothingSound,
    /// The disk could not be read or written.
    #[error("the disk failed: {0}")]
    Disk(#[from] DiskError),
}

/// Cuts the journal in the folder at `path`; see [`repair_cut_at_on`].
///
/// # Errors
/// [`RepairError`].
pub fn repair_cut_at(
    path: impl Into<PathBuf>,
    position: Position,
) -> Result<Repaired, RepairError> {
    let name_it = |source: io::Error| DiskError {
        file: ".".to_owned(),
        source,
    };
    let disk = RealDisk::existing(path).map_err(name_it)?;
    repair_cut_at_on(&disk, position)
}

/// Cuts the journal on `disk`: all records from `position` on are put aside, with the damage that
/// may be among them, and `position` becomes the tail.
///
/// # Errors
/// [`RepairError`].
pub fn repair_cut_at_on(disk: &dyn Disk, position: Position) -> Result<Repaired, RepairError> {
    let _lock = take_lock(disk).map_err(|error| match error {
        OpenError::Disk(error) => RepairError::Disk(error),
        _ => RepairError::Locked {
            file: crate::file::LOCK_NAME.to_owned(),
        },
    })?;
    let survey = Survey::take(disk)?;
    let cut = Cut::plan(&survey, position)?;
    let (folder, kept) = cut.put_aside(disk, &survey)?;
    cut.apply(disk, &survey)?;
    Ok(Repaired {
        folder,
        kept,
        tail: position,
    })
}

/// Where the cut goes.
struct Cut {
    /// The index of the segment that becomes the last one.
    segment: usize,
    /// Where that segment ends then, in bytes.
    end: u64,
    /// The history at the cut.
    standing: Standing,
    /// What the witness will say.
    said: Testimony,
}

impl Cut {
    fn plan(survey: &Survey, position: Position) -> Result<Self, RepairError> {
        let sound = survey.sound();
        let (Some((count, tail)), Some(journal)) = (sound, survey.journal) else {
            return Err(RepairError::NothingSound);
        };
        let lowest = survey.segments[0].segment.first;
        let first = survey.said().map_or(lowest, |said| said.first);
        if position > tail {
            return Err(RepairError::DamageBelow { position, tail });
        }
        if position < first {
            return Err(RepairError::BelowFirst { position, first });
        }
        let reaching =
            survey.segments[..count].partition_point(|found| found.segment.first <= position);
        let segment = reaching.saturating_sub(1);
        let found = &survey.segments[segment];
        let place = found
            .group_before(position)
            .map_err(at(&found.segment.name()))?;
        let (standing, end) = place.ok_or(RepairError::NothingSound)?;
        if standing.position != position {
            let group = standing.position;
            return Err(RepairError::WithinGroup { position, group });
        }
        let said = Testimony {
            journal,
            complete: true,
            durable: position,
            first,
            link: standing.link,
        };
        Ok(Self {
            segment,
            end,
            standing,
            said,
        })
    }

    /// Copies all that will change or go into a new folder, and makes the copies durable.
    fn put_aside(
        &self,
        disk: &dyn Disk,
        survey: &Survey,
    ) -> Result<(String, Vec<String>), DiskError> {
        let folder = new_folder(disk, self.standing.position)?;
        let mut kept: Vec<_> = survey.segments[self.segment..]
            .iter()
            .map(|found| found.segment.name())
            .collect();
        if survey.has_witness {
            kept.push(witness::FILE_NAME.to_owned());
        }
        for name in &kept {
            let from = disk.open(name).map_err(at(name))?;
            let aside = format!("{folder}/{name}");
            let to = disk.create(&aside).map_err(at(&aside))?;
            let size = from.size().map_err(at(name))?;
            copy(&*from, &*to, size).map_err(at(&aside))?;
            to.sync().map_err(at(&aside))?;
        }
        disk.sync_folder(&folder).map_err(at(&folder))?;
        disk.sync_folder("").map_err(at("."))?;
        Ok((folder, kept))
    }

    /// Takes the later segments away, newest first, cuts the last one, and tells the witness.
    /// Until it knows, the journal still counts as damaged.
    fn apply(&self, disk: &dyn Disk, survey: &Survey) -> Result<(), DiskError> {
        for later in survey.segments[self.segment + 1..].iter().rev() {
            let name = later.segment.name();
            disk.remove(&name).map_err(at(&name))?;
        }
        disk.sync_folder("").map_err(at("."))?;
        let found = &survey.segments[self.segment];
        let (file, size) = (&found.segment.file, found.size);
        rewrite(
            disk,
            &file_name(found.segment.first),
            &**file,
            self.end,
            size,
        )?;
        write_witness(disk, self.said)
    }
}

/// Makes the first folder for kept files that does not exist yet.
fn new_folder(disk: &dyn Disk, position: Position) -> Result<String, DiskError> {
    let mut folder = format!("damaged-{position}");
    for number in 2..=MAX_FOLDERS {
        match disk.create_folder(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                folder = format!("damaged-{position}-{number}");
            }
            Err(error) => return Err(at(&folder)(error)),
            Ok(()) => return Ok(folder),
        }
    }
    Err(at(&folder)(io::ErrorKind::AlreadyExists.into()))
}

//! A report on a journal's folder for an operator; it changes nothing and takes no lock.

use std::io;
use std::path::PathBuf;

use crate::disk::{Disk, RealDisk};
use crate::file::damage::Damage;
use crate::file::flaw::Flaw;
use crate::file::segment::{HeaderFlaw, file_name};
use crate::file::survey::{DiskError, Survey, Surveyed};
use crate::{JournalId, Position};

/// All that can be said about a journal's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The journal's id, from the witness or else from the first segment that has one.
    pub journal: Option<JournalId>,
    /// What the witness says.
    pub witness: WitnessReport,
    /// All segments that matter, in order.
    pub segments: Vec<SegmentReport>,
    /// Segments below the trim point that an interrupted trim left; the next start removes them.
    pub leftovers: Vec<String>,
    /// Where the history ends when it is read from the start, without a gap.
    pub tail: Position,
    /// Whether the next start cuts an unfinished write after the tail.
    pub torn: bool,
    /// The first damage; a journal with any is not opened.
    pub damage: Option<Damage>,
}

/// What the witness says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WitnessReport {
    /// There is none.
    Missing,
    /// Neither of its slots is whole.
    Damaged,
    /// It can be read.
    Says {
        /// Everything below was synced.
        durable: Position,
        /// The trim point.
        first: Position,
    },
}

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// Its name in the journal's folder.
    pub file: String,
    /// The position of its first record, by its name.
    pub first: Position,
    /// The position after its last whole group; `None` when its records could not be judged.
    pub next: Option<Position>,
    /// The file's length, in bytes.
    pub size: u64,
    /// How much of it is taken by whole groups and the header, in bytes.
    pub used: u64,
    /// What is wrong with its header, if anything is.
    pub header: Result<(), HeaderFlaw>,
    /// Why reading stopped, and where in the file; [`Flaw::Blank`] at the end of what was written.
    pub stop: Option<(u64, Flaw)>,
}

/// Inspects the journal in the folder at `path`.
///
/// A journal that is being written can be inspected too; its tail may then look torn.
///
/// # Errors
/// When the folder or a file cannot be read. Damage is no error here.
pub fn inspect(path: impl Into<PathBuf>) -> Result<Inspection, DiskError> {
    let name_it = |source: io::Error| DiskError {
        file: ".".to_owned(),
        source,
    };
    inspect_on(&RealDisk::existing(path).map_err(name_it)?)
}

/// Inspects the journal on `disk`; as [`inspect`].
///
/// # Errors
/// When the disk cannot be read. Damage is no error here.
pub fn inspect_on(disk: &dyn Disk) -> Result<Inspection, DiskError> {
    let survey = Survey::take(disk)?;
    let witness = match survey.said() {
        Some(said) => WitnessReport::Says {
            durable: said.durable,
            first: said.first,
        },
        None if survey.has_witness => WitnessReport::Damaged,
        None => WitnessReport::Missing,
    };
    Ok(Inspection {
        journal: survey.journal,
        witness,
        tail: survey.sound().map_or(Position::ZERO, |(_, tail)| tail),
        segments: survey.segments.iter().map(report).collect(),
        leftovers: survey
            .leftovers
            .iter()
            .map(|first| file_name(*first))
            .collect(),
        torn: survey.ragged,
        damage: survey.damage,
    })
}

fn report(found: &Surveyed) -> SegmentReport {
    SegmentReport {
        file: found.segment.name(),
        first: found.segment.first,
        next: found.standing.map(|standing| standing.position),
        size: found.size,
        used: found.segment.end,
        header: found.header.map(|_| ()),
        stop: found.stop.map(|stop| (stop.offset, stop.flaw)),
    }
}

//! Looks at everything in a journal's folder and judges it, without changing a byte.
//!
//! Opening, inspecting and repairing all start from the same survey.

use std::io;
use std::sync::Arc;

use crate::disk::Disk;
use crate::file::damage::{Damage, Proof};
use crate::file::flaw::Flaw;
use crate::file::record::{Header, Link, framed_bytes};
use crate::file::scan::{CHUNK_BYTES, Scanner, Standing};
use crate::file::segment::{HeaderFlaw, RECORDS_AT, Segment, SegmentHeader, file_name, parse_name};
use crate::file::witness::{self, Testimony, Witness};
use crate::planted::{Bug, planted};
use crate::{JournalId, Position, Writer};

/// A disk error, and the file that it came from.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {source}")]
pub struct DiskError {
    /// The file, by its name in the journal's folder; `.` is the folder.
    pub file: String,
    /// What the disk said.
    pub source: io::Error,
}

/// Names the file that a disk error came from.
pub(crate) fn at(file: &str) -> impl FnOnce(io::Error) -> DiskError {
    let file = file.to_owned();
    move |source| DiskError { file, source }
}

/// All that is known about a journal's folder.
pub(crate) struct Survey {
    /// The open witness; `None` when it is missing or damaged.
    pub(crate) witness: Option<Witness>,
    /// Whether there is a witness file, readable or not.
    pub(crate) has_witness: bool,
    pub(crate) journal: Option<JournalId>,
    /// The segments that matter, in order.
    pub(crate) segments: Vec<Surveyed>,
    /// Segments wholly below the trim point, which an interrupted trim left.
    pub(crate) leftovers: Vec<Position>,
    /// The first damage, from the oldest record on.
    pub(crate) damage: Option<Damage>,
    /// Whether anything but zeros follows the last whole group.
    pub(crate) ragged: bool,
}

/// One segment as it was found.
pub(crate) struct Surveyed {
    pub(crate) segment: Segment,
    /// The file's length, in bytes.
    pub(crate) size: u64,
    pub(crate) header: Result<SegmentHeader, HeaderFlaw>,
    /// Where the history stands after its last whole group; `None` when it was not walked.
    pub(crate) standing: Option<Standing>,
    /// The first record that is not whole.
    pub(crate) stop: Option<Stop>,
}

/// Where the records of a segment stop, and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub(crate) position: Position,
    pub(crate) offset: u64,
    pub(crate) flaw: Flaw,
}

impl Survey {
    /// Looks at everything. Errors are the disk's; damage is in the survey.
    pub(crate) fn take(disk: &dyn Disk) -> Result<Self, DiskError> {
        let names = disk.list().map_err(at("."))?;
        let (has_witness, witness) = load_witness(disk)?;
        let mut survey = Self {
            journal: witness.as_ref().map(|witness| witness.said().journal),
            witness,
            has_witness,
            segments: Vec::new(),
            leftovers: Vec::new(),
            damage: None,
            ragged: false,
        };
        let mut firsts: Vec<_> = names.iter().filter_map(|name| parse_name(name)).collect();
        survey.judge_witness(&firsts);
        survey.set_leftovers_aside(&mut firsts);
        for first in firsts {
            survey.look_at(disk, first)?;
        }
        survey.judge_making();
        survey.judge_end()?;
        Ok(survey)
    }

    pub(crate) fn said(&self) -> Option<Testimony> {
        self.witness.as_ref().map(Witness::said)
    }

    /// How many segments hold a history without a gap from the start on, and where it ends.
    pub(crate) fn sound(&self) -> Option<(usize, Position)> {
        let mut sound: Option<(usize, Position)> = None;
        let mut link = None;
        for (index, found) in self.segments.iter().enumerate() {
            let (Ok(header), Some(standing)) = (found.header, found.standing) else {
                break;
            };
            let continues = sound.is_none_or(|(_, tail)| tail == found.segment.first)
                && link.is_none_or(|link| link == header.previous);
            if !continues {
                break;
            }
            sound = Some((index + 1, standing.position));
            link = Some(standing.link);
        }
        sound
    }

    fn note(&mut self, damage: Damage) {
        self.damage.get_or_insert(damage);
    }

    fn judge_witness(&mut self, firsts: &[Position]) {
        if self.witness.is_some() {
            return;
        }
        if self.has_witness {
            self.note(Damage::WitnessDamaged);
        } else if !firsts.is_empty() {
            let segments = firsts.len();
            self.note(Damage::WitnessMissing { segments });
        }
    }

    /// A journal that is being made has no record, and no segment but the first.
    fn judge_making(&mut self) {
        let being_made = self.said().is_some_and(|said| !said.complete);
        let begun = |found: &Surveyed| found.standing.is_some_and(|s| s.position > Position::ZERO);
        if being_made && self.segments.iter().any(begun) {
            self.note(Damage::WitnessDamaged);
        }
    }

    /// A segment is wholly below the trim point when its successor does not start above it.
    fn set_leftovers_aside(&mut self, firsts: &mut Vec<Position>) {
        let Some(said) = self.said() else { return };
        let reaching = firsts.partition_point(|first| *first <= said.first);
        self.leftovers = firsts.drain(..reaching.saturating_sub(1)).collect();
        if reaching == 0 && said.complete {
            self.note(Damage::NoSegment {
                first: said.first,
                file: file_name(said.first),
            });
        }
    }

    fn look_at(&mut self, disk: &dyn Disk, first: Position) -> Result<(), DiskError> {
        let name = file_name(first);
        let file = disk.open(&name).map_err(at(&name))?;
        let size = file.size().map_err(at(&name))?;
        let header = SegmentHeader::read(&*file).map_err(at(&name))?;
        let belongs = self.judge_header(&name, first, &header);
        let previous = self.segments.last().and_then(|before| before.standing);
        if let Some(before) = self.segments.last() {
            let damage = judge_seam(before, &name, first, header.as_ref().ok());
            self.damage = self.damage.take().or(damage);
        }
        let journal = self.journal.unwrap_or(JournalId::from_bytes([0; 16]));
        let mut surveyed = Surveyed {
            segment: Segment::new(journal, first, file),
            size,
            standing: None,
            stop: None,
            header,
        };
        let start = match surveyed.header {
            Ok(header) => Some(header.standing()),
            Err(_) => previous.filter(|standing| standing.position == first),
        };
        if belongs && let Some(start) = start {
            let fork = surveyed.walk(start, self.said()).map_err(at(&name))?;
            self.damage = self.damage.take().or(fork);
        }
        self.segments.push(surveyed);
        Ok(())
    }

    /// Whether the segment is one of this journal's, in its place.
    fn judge_header(
        &mut self,
        name: &str,
        first: Position,
        header: &Result<SegmentHeader, HeaderFlaw>,
    ) -> bool {
        let file = name.to_owned();
        let header = match header {
            Ok(header) => header,
            Err(flaw) => {
                let flaw = *flaw;
                self.note(Damage::SegmentHeader { file, flaw });
                return self.journal.is_some();
            }
        };
        let expected = *self.journal.get_or_insert(header.journal);
        if header.journal != expected {
            let found = header.journal;
            self.note(Damage::ForeignSegment {
                file,
                expected,
                found,
            });
            return false;
        }
        if header.first != first {
            let found = header.first;
            self.note(Damage::MisnamedSegment { file, found });
            return false;
        }
        true
    }

    /// Judges what follows the last record of the last segment: a torn tail, or a loss.
    fn judge_end(&mut self) -> Result<(), DiskError> {
        let said = self.said();
        let Some(last) = self.segments.last() else {
            return Ok(());
        };
        let (Some(standing), Some(stop)) = (last.standing, last.stop) else {
            return Ok(());
        };
        let name = last.segment.name();
        let search = last
            .scanner()
            .search(last.segment.end, standing.position)
            .map_err(at(&name))?;
        let witnessed = said.filter(|said| said.durable > standing.position);
        let proof = match (witnessed, &search.proof) {
            (Some(said), _) => Some(Proof::Witness {
                durable: said.durable,
            }),
            (None, Some((offset, header))) => Some(Proof::LaterRecord {
                position: header.position,
                offset: *offset,
                durable: header.durable,
            }),
            (None, None) => None,
        };
        let proof = proof.filter(|_| !planted(Bug::CutAtFirstBadRecord));
        let damage = proof.map(|proof| loss(&name, stop, proof));
        self.ragged = search.anything;
        self.damage = self.damage.take().or(damage);
        Ok(())
    }
}

/// Loads the witness; says also whether there is a file at all.
fn load_witness(disk: &dyn Disk) -> Result<(bool, Option<Witness>), DiskError> {
    match disk.open(witness::FILE_NAME) {
        Ok(file) => Ok((true, Witness::load(file).map_err(at(witness::FILE_NAME))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((false, None)),
        Err(error) => Err(at(witness::FILE_NAME)(error)),
    }
}

/// Whether a segment continues the one before it, without a gap.
fn judge_seam(
    before: &Surveyed,
    file: &str,
    first: Position,
    header: Option<&SegmentHeader>,
) -> Option<Damage> {
    let standing = before.standing?;
    let file = file.to_owned();
    if standing.position > first {
        return Some(Damage::Overlap {
            file: before.segment.name(),
            tail: standing.position,
            next: first,
        });
    }
    if standing.position < first {
        let proof = Proof::LaterSegment { file, first };
        return Some(loss(&before.segment.name(), before.stop?, proof));
    }
    header
        .filter(|header| header.previous != standing.link || header.writer != standing.writer)
        .map(|_| Damage::BrokenChain { file })
}

/// Names what was lost where the records of a segment stop.
fn loss(file: &str, stop: Stop, proof: Proof) -> Damage {
    let file = file.to_owned();
    let known = match &proof {
        Proof::Witness { durable } | Proof::LaterRecord { durable, .. } => *durable,
        Proof::LaterSegment { first, .. } => *first,
    };
    match stop.flaw {
        Flaw::Blank | Flaw::PastEnd { .. } => Damage::Missing {
            from: stop.position,
            to: known,
            file,
            offset: stop.offset,
            proof,
        },
        flaw => Damage::Record {
            position: stop.position,
            file,
            offset: stop.offset,
            flaw,
            proof,
        },
    }
}

impl Surveyed {
    fn scanner(&self) -> Scanner {
        let file = Arc::clone(&self.segment.file);
        Scanner::new(file, self.segment.seed, self.size, CHUNK_BYTES)
    }

    /// Reads all records from `start` on, up to the first that is not whole, and forgets those of
    /// a group that is not whole. Returns the damage of having the wrong history.
    fn walk(&mut self, start: Standing, said: Option<Testimony>) -> io::Result<Option<Damage>> {
        let mut scanner = self.scanner();
        let mut standing = start;
        let mut group = (start, self.segment.end);
        let mut fork = self.fork(&standing, said);
        let stop = loop {
            let offset = self.segment.end;
            let header = match next_record(&mut scanner, offset, &standing)? {
                Ok((header, link)) => {
                    standing = Standing::after(&header, link);
                    header
                }
                Err(flaw) => {
                    break Stop {
                        position: standing.position,
                        offset,
                        flaw,
                    };
                }
            };
            let bytes = framed_bytes(header.length as usize) as u64;
            self.segment.extend(header.position, bytes);
            fork = fork.or_else(|| self.fork(&standing, said));
            if header.rest == 0 {
                group = (standing, self.segment.end);
            }
        };
        self.segment.cut(group.0.position, group.1);
        self.standing = Some(group.0);
        self.stop = Some(stop);
        Ok(fork)
    }

    /// The last group boundary at or before `position`: the history there, and the offset.
    pub(crate) fn group_before(&self, position: Position) -> io::Result<Option<(Standing, u64)>> {
        let Ok(header) = self.header else {
            return Ok(None);
        };
        let mut scanner = self.scanner();
        let mut standing = header.standing();
        let mut offset = RECORDS_AT;
        let mut boundary = (standing, offset);
        while standing.position < position {
            let Ok((header, link)) = next_record(&mut scanner, offset, &standing)? else {
                break;
            };
            standing = Standing::after(&header, link);
            offset += framed_bytes(header.length as usize) as u64;
            if header.rest == 0 {
                boundary = (standing, offset);
            }
        }
        Ok(Some(boundary))
    }

    /// Compares the history with what the witness remembers of it.
    fn fork(&self, standing: &Standing, said: Option<Testimony>) -> Option<Damage> {
        let said = said?;
        let differs = said.durable == standing.position && said.link != standing.link;
        differs.then(|| Damage::Fork {
            position: said.durable,
            file: self.segment.name(),
        })
    }
}

/// The whole, checked record at `offset` that continues `standing`.
fn next_record(
    scanner: &mut Scanner,
    offset: u64,
    standing: &Standing,
) -> io::Result<Result<(Header, Link), Flaw>> {
    let (header, link) = match scanner.header(offset)? {
        Ok(found) => found,
        Err(flaw) => return Ok(Err(flaw)),
    };
    if let Err(flaw) = standing.admit(&header) {
        return Ok(Err(flaw));
    }
    Ok(scanner.payload(offset, &header)?.map(|_| (header, link)))
}

/// Where an empty journal stands.
pub(crate) const GENESIS: Standing = Standing {
    position: Position::ZERO,
    link: Link([0; 16]),
    writer: Writer::NOBODY,
};

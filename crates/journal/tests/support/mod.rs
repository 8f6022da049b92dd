//! A history of appends, trims and restarts on a faulty disk, and what it must leave behind.

#![allow(
    dead_code,
    reason = "each test program uses its own part of this module"
)]

use std::sync::Arc;

use bytes::Bytes;
use capataz_journal::conformance::{commit, read_all, record, writer};
use capataz_journal::disk::Disk;
use capataz_journal::disk::faulty::FaultyDisk;
use capataz_journal::file::Damage;
use capataz_journal::{Append, FileJournal, FileOptions, Journal, JournalId, OpenError, Position};

/// Small enough that a short history fills several segments.
pub(crate) const SEGMENT_BYTES: u64 = 8 << 10;

pub(crate) const ID: JournalId = JournalId::from_bytes([42; 16]);

pub(crate) fn options() -> FileOptions {
    FileOptions {
        segment_bytes: SEGMENT_BYTES,
        new_id: ID,
    }
}

pub(crate) fn open(disk: &FaultyDisk) -> Result<FileJournal, OpenError> {
    FileJournal::open_on(Arc::new(disk.clone()), options())
}

/// A generator of choices for histories; SplitMix64 as in the disk, but on its own.
pub(crate) struct Choices(pub(crate) u64);

impl Choices {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// One thing that a caller does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Append {
        lengths: Vec<usize>,
    },
    Maintain,
    /// Trims to this many records below the tail.
    Trim {
        keep: u64,
    },
    Reopen,
    /// Reopens without a clean stop.
    Drop,
}

/// A history that rolls segments, trims, stops cleanly and otherwise, and has groups of every size.
pub(crate) fn short_history() -> Vec<Step> {
    let append = |lengths: &[usize]| Step::Append {
        lengths: lengths.to_vec(),
    };
    vec![
        append(&[100]),
        append(&[0, 700, 9]),
        Step::Maintain,
        append(&[600, 600, 600]),
        append(&[1000]),
        Step::Maintain,
        append(&[900, 30]),
        Step::Drop,
        append(&[1500]),
        Step::Trim { keep: 3 },
        append(&[2500, 10]),
        Step::Maintain,
        Step::Reopen,
        append(&[5000, 100]),
        append(&[10]),
        Step::Trim { keep: 0 },
        append(&[20, 20]),
    ]
}

/// A history by chance.
pub(crate) fn random_history(seed: u64, steps: usize) -> Vec<Step> {
    let mut choices = Choices(seed);
    (0..steps)
        .map(|_| match choices.below(20) {
            0..14 => {
                let count = 1 + choices.below(5);
                let limit = [40, 700, 3000][choices.below(3) as usize];
                let lengths = (0..count).map(|_| choices.below(limit) as usize).collect();
                Step::Append { lengths }
            }
            14..17 => Step::Maintain,
            17 => Step::Trim {
                keep: choices.below(12),
            },
            18 => Step::Reopen,
            _ => Step::Drop,
        })
        .collect()
}

/// What a caller knows: what was answered, and what was asked without an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) committed: Vec<Bytes>,
    pub(crate) doubtful: Vec<Bytes>,
    pub(crate) trimmed: u64,
    pub(crate) asked_trim: u64,
}

impl Ledger {
    fn next_group(&self, lengths: &[usize]) -> Vec<Bytes> {
        (self.committed.len() as u64..)
            .zip(lengths)
            .map(|(number, length)| record(number, *length))
            .collect()
    }

    fn tail(&self) -> u64 {
        self.committed.len() as u64
    }
}

/// Plays a history until it ends or the journal fails; true when it ended.
pub(crate) fn play(disk: &FaultyDisk, steps: &[Step], ledger: &mut Ledger) -> bool {
    let Ok(mut journal) = open(disk) else {
        return false;
    };
    for step in steps {
        let fine = match step {
            Step::Append { lengths } => append(&mut journal, lengths, ledger),
            Step::Maintain => journal.maintain().is_ok(),
            Step::Trim { keep } => trim(&mut journal, *keep, ledger),
            Step::Reopen | Step::Drop => {
                let stopped = matches!(step, Step::Drop) || journal.close().is_ok();
                drop(journal);
                match open(disk) {
                    Ok(opened) => journal = opened,
                    Err(_) => return false,
                }
                stopped
            }
        };
        if !fine {
            return false;
        }
    }
    true
}

pub(crate) fn append(journal: &mut FileJournal, lengths: &[usize], ledger: &mut Ledger) -> bool {
    let group = ledger.next_group(lengths);
    match journal.append(Position::new(ledger.tail()), writer(1), &group) {
        Append::Committed { tail } => {
            ledger.committed.extend(group);
            assert_eq!(tail.get(), ledger.tail());
            true
        }
        Append::Unknown(_) => {
            ledger.doubtful = group;
            false
        }
        Append::Refused(_) => true,
        Append::Conflict { tail } => panic!("a conflict at {tail} without a second writer"),
    }
}

fn trim(journal: &mut FileJournal, keep: u64, ledger: &mut Ledger) -> bool {
    let below = ledger.tail().saturating_sub(keep).max(ledger.trimmed);
    ledger.asked_trim = below;
    let done = journal.trim(Position::new(below), 1).is_ok();
    if done {
        ledger.trimmed = below;
    }
    done
}

/// Checks that the journal holds what the ledger says, all of it and no more; settles the doubt.
pub(crate) fn check(journal: &dyn Journal, ledger: &mut Ledger) {
    let (first, tail) = (journal.first().get(), journal.tail().get());
    assert!(
        first == ledger.trimmed || first == ledger.asked_trim,
        "trimmed to {first}"
    );
    if tail != ledger.tail() {
        ledger.committed.append(&mut ledger.doubtful);
        assert_eq!(
            tail,
            ledger.tail(),
            "records lost, invented, or half a group"
        );
    }
    ledger.doubtful.clear();
    ledger.trimmed = first;
    ledger.asked_trim = first;
    let entries = read_all(journal, Position::new(first), 2000);
    assert_eq!(entries.len() as u64, tail - first);
    for (number, entry) in (first..).zip(entries) {
        assert_eq!(entry.position.get(), number);
        assert_eq!(entry.payload, ledger.committed[number as usize]);
    }
}

/// The first three segments of [`whole_disk`].
pub(crate) const SEGMENTS: [&str; 3] = [
    "0000000000000000.segment",
    "0000000000000004.segment",
    "0000000000000008.segment",
];

/// A disk with ten records of 900 bytes, four to a segment, cleanly stopped.
pub(crate) fn whole_disk() -> FaultyDisk {
    let disk = FaultyDisk::new(0);
    let mut journal = open(&disk).expect("a new journal");
    for number in 0..10 {
        commit(&mut journal, 1, &[record(number, 900)]);
    }
    journal.close().expect("a clean stop");
    drop(journal);
    for name in SEGMENTS {
        disk.contents(name).expect("a segment");
    }
    disk
}

pub(crate) fn damage(disk: &FaultyDisk) -> Damage {
    let before = everything(disk);
    let damage = match open(disk) {
        Err(OpenError::Damaged(damage)) => damage,
        Err(other) => panic!("expected damage, got {other}"),
        Ok(journal) => panic!("opened up to {}, expected damage", journal.tail()),
    };
    assert_eq!(everything(disk), before, "a refusal changed something");
    damage
}

pub(crate) fn everything(disk: &FaultyDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.list().expect("a list");
    names
        .into_iter()
        .map(|name| (name.clone(), disk.contents(&name).expect("a file")))
        .collect()
}

/// A journal that took the same positions with other records.
pub(crate) fn other_history(id: JournalId, length: usize) -> FaultyDisk {
    let disk = FaultyDisk::new(0);
    let options = FileOptions {
        segment_bytes: SEGMENT_BYTES,
        new_id: id,
    };
    let mut journal = FileJournal::open_on(Arc::new(disk.clone()), options).expect("a journal");
    for number in 0..10 {
        commit(&mut journal, 1, &[record(number + 100, length)]);
    }
    journal.close().expect("a clean stop");
    drop(journal);
    disk
}

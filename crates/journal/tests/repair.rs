//! Inspecting and repairing: exact reports, nothing deleted, nothing lost below the cut.

mod support;

use std::io::ErrorKind;

use capataz_journal::conformance::{commit, read_all, record};
use capataz_journal::disk::faulty::{FaultyDisk, Operation};
use capataz_journal::file::{Damage, RepairError, WitnessReport, inspect_on, repair_cut_at_on};
use capataz_journal::{Journal, OpenError, Position};

use support::{ID, open};

const SEGMENTS: [&str; 3] = [
    "0000000000000000.segment",
    "0000000000000004.segment",
    "0000000000000008.segment",
];

/// Ten records of 900 bytes, four to a segment; 4 and 5 are one group, 6 and 7 another.
fn whole_disk() -> FaultyDisk {
    let disk = FaultyDisk::new(0);
    let mut journal = open(&disk).expect("a new journal");
    for group in [0..1, 1..2, 2..3, 3..4, 4..6, 6..8, 8..9, 9..10] {
        let group: Vec<_> = group.map(|number| record(number, 900)).collect();
        commit(&mut journal, 1, &group);
    }
    journal.close().expect("a clean stop");
    drop(journal);
    disk
}

fn assert_serves(disk: &FaultyDisk, count: u64) {
    let mut journal = open(disk).expect("a repaired journal");
    let entries = read_all(&journal, Position::ZERO, 4096);
    assert_eq!(entries.len() as u64, count);
    for (number, entry) in (0..).zip(entries) {
        assert_eq!(entry.payload, record(number, 900));
    }
    commit(&mut journal, 2, &[record(count, 900)]);
    drop(journal);
    disk.crash(7);
    assert_eq!(
        open(disk).expect("the same journal").tail().get(),
        count + 1
    );
}

#[test]
fn inspects_a_whole_journal() {
    let disk = whole_disk();
    let report = inspect_on(&disk).expect("a report");
    assert_eq!(report.journal, Some(ID));
    assert_eq!((report.damage, report.torn), (None, false));
    let durable = Position::new(10);
    assert_eq!(report.tail, durable);
    let first = Position::ZERO;
    assert_eq!(report.witness, WitnessReport::Says { durable, first });
    let files: Vec<_> = report
        .segments
        .iter()
        .map(|found| found.file.as_str())
        .collect();
    assert_eq!(files, SEGMENTS);
    let nexts: Vec<_> = report.segments.iter().map(|found| found.next).collect();
    assert_eq!(nexts, [4, 8, 10].map(|next| Some(Position::new(next))));
}

#[test]
fn inspects_a_folder_without_a_journal() {
    let report = inspect_on(&FaultyDisk::new(0)).expect("a report");
    assert_eq!((report.journal, report.damage), (None, None));
    assert_eq!(report.witness, WitnessReport::Missing);
}

#[test]
fn cuts_below_damage_and_keeps_the_files() {
    let disk = whole_disk();
    disk.flip(SEGMENTS[1], 4096 + 2 * 984 + 100, 1)
        .expect("a segment");
    let before = disk.contents(SEGMENTS[1]).expect("a segment");
    let report = inspect_on(&disk).expect("a report");
    assert_eq!(report.tail, Position::new(6));
    assert!(matches!(report.damage, Some(Damage::Record { position, .. }) if position.get() == 6));
    let above = repair_cut_at_on(&disk, Position::new(7));
    assert!(matches!(above, Err(RepairError::DamageBelow { tail, .. }) if tail.get() == 6));
    let within = repair_cut_at_on(&disk, Position::new(5));
    assert!(matches!(within, Err(RepairError::WithinGroup { group, .. }) if group.get() == 4));
    let repaired = repair_cut_at_on(&disk, Position::new(6)).expect("a repair");
    assert_eq!(repaired.folder, "damaged-6");
    assert_eq!(repaired.kept, [SEGMENTS[1], SEGMENTS[2], "witness"]);
    let kept = format!("damaged-6/{}", SEGMENTS[1]);
    assert_eq!(disk.contents(&kept).expect("the kept file"), before);
    assert_serves(&disk, 6);
}

#[test]
fn cuts_at_a_segment_with_a_damaged_header_or_no_segment() {
    for lost in [true, false] {
        let disk = whole_disk();
        if lost {
            disk.take_away(SEGMENTS[1]).expect("a segment");
        } else {
            disk.flip(SEGMENTS[1], 30, 1).expect("a segment");
        }
        assert!(open(&disk).is_err());
        repair_cut_at_on(&disk, Position::new(4)).expect("a repair");
        assert_serves(&disk, 4);
    }
}

#[test]
fn makes_a_new_witness() {
    let disk = whole_disk();
    disk.take_away("witness").expect("the witness");
    assert!(matches!(open(&disk), Err(OpenError::Damaged(_))));
    repair_cut_at_on(&disk, Position::new(10)).expect("a repair");
    assert_serves(&disk, 10);
}

#[test]
fn refuses_an_open_journal_and_an_empty_folder() {
    let disk = whole_disk();
    let journal = open(&disk).expect("a whole journal");
    let locked = repair_cut_at_on(&disk, Position::new(4));
    assert!(matches!(locked, Err(RepairError::Locked { .. })));
    drop(journal);
    let empty = repair_cut_at_on(&FaultyDisk::new(0), Position::ZERO);
    assert!(matches!(empty, Err(RepairError::NothingSound)));
}

#[test]
fn an_interrupted_repair_can_be_repeated() {
    let damaged = whole_disk();
    damaged
        .flip(SEGMENTS[1], 4096 + 2 * 984 + 100, 1)
        .expect("a segment");
    let trial = damaged.fork();
    repair_cut_at_on(&trial, Position::new(6)).expect("a repair");
    let changes = trial.changes() - damaged.changes();
    for cut in 0..=changes {
        for seed in 0..8 {
            let disk = damaged.fork();
            disk.cut_after(cut);
            let _ = repair_cut_at_on(&disk, Position::new(6));
            disk.crash(seed);
            if open(&disk).is_err() {
                repair_cut_at_on(&disk, Position::new(6)).expect("a repeated repair");
            }
            assert_serves(&disk, 6);
        }
    }
}

#[test]
fn a_full_disk_leaves_a_repair_undone() {
    let disk = whole_disk();
    disk.flip(SEGMENTS[1], 4096 + 2 * 984 + 100, 1)
        .expect("a segment");
    disk.fail(Operation::Write, 2, ErrorKind::StorageFull);
    let failed = repair_cut_at_on(&disk, Position::new(6));
    assert!(matches!(failed, Err(RepairError::Disk(_))), "{failed:?}");
    assert!(open(&disk).is_err());
    let repaired = repair_cut_at_on(&disk, Position::new(6)).expect("a repair");
    assert_eq!(repaired.folder, "damaged-6-2");
    assert_serves(&disk, 6);
}

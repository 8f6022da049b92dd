//! Files that are lost, swapped, copied back or of another history: opening refuses and says which.

mod support;

use capataz_journal::conformance::{commit, record};
use capataz_journal::disk::faulty::FaultyDisk;
use capataz_journal::file::{Damage, Flaw, Proof};
use capataz_journal::{Journal, JournalId, Position, ReadError};

use support::{ID, SEGMENTS, damage, open, other_history, whole_disk};

#[test]
fn a_truncated_segment() {
    for (name, length) in [
        (SEGMENTS[2], 4096 + 900),
        (SEGMENTS[1], 5000),
        (SEGMENTS[0], 10),
    ] {
        let disk = whole_disk();
        let mut contents = disk.contents(name).expect("a segment");
        contents.truncate(length);
        disk.put(name, contents);
        damage(&disk);
    }
}

#[test]
fn a_missing_segment() {
    let disk = whole_disk();
    disk.take_away(SEGMENTS[0]).expect("a segment");
    assert!(matches!(damage(&disk), Damage::NoSegment { .. }));
    let disk = whole_disk();
    disk.take_away(SEGMENTS[1]).expect("a segment");
    match damage(&disk) {
        Damage::Missing {
            from,
            to,
            proof: Proof::LaterSegment { file, .. },
            ..
        } => {
            assert_eq!((from.get(), to.get()), (4, 8));
            assert_eq!(file, SEGMENTS[2]);
        }
        other => panic!("unexpected report: {other}"),
    }
    let disk = whole_disk();
    disk.take_away(SEGMENTS[2]).expect("a segment");
    match damage(&disk) {
        Damage::Missing {
            from,
            to,
            proof: Proof::Witness { .. },
            ..
        } => {
            assert_eq!((from.get(), to.get()), (8, 10));
        }
        other => panic!("unexpected report: {other}"),
    }
    let disk = whole_disk();
    for name in SEGMENTS {
        disk.take_away(name).expect("a segment");
    }
    assert!(matches!(damage(&disk), Damage::NoSegment { .. }));
}

#[test]
fn a_missing_or_damaged_witness() {
    let disk = whole_disk();
    disk.take_away("witness").expect("the witness");
    assert_eq!(damage(&disk), Damage::WitnessMissing { segments: 3 });
    let disk = whole_disk();
    disk.put("witness", vec![0; 8192]);
    assert_eq!(damage(&disk), Damage::WitnessDamaged);
}

#[test]
fn swapped_segments() {
    let disk = whole_disk();
    let [first, second] = [SEGMENTS[0], SEGMENTS[1]].map(|name| disk.contents(name).expect("one"));
    disk.put(SEGMENTS[0], second);
    disk.put(SEGMENTS[1], first);
    match damage(&disk) {
        Damage::MisnamedSegment { file, found } => {
            assert_eq!((file.as_str(), found.get()), (SEGMENTS[0], 4));
        }
        other => panic!("unexpected report: {other}"),
    }
}

#[test]
fn a_segment_of_another_journal() {
    let foreign = JournalId::from_bytes([1; 16]);
    for name in SEGMENTS {
        let disk = whole_disk();
        let other = other_history(foreign, 900)
            .contents(name)
            .expect("a segment");
        disk.put(name, other);
        match damage(&disk) {
            Damage::ForeignSegment {
                file,
                expected,
                found,
            } => {
                assert_eq!((file.as_str(), expected, found), (name, ID, foreign));
            }
            other => panic!("unexpected report: {other}"),
        }
    }
}

#[test]
fn a_segment_of_a_fork_of_the_same_journal() {
    for name in SEGMENTS {
        let disk = whole_disk();
        disk.put(
            name,
            other_history(ID, 900).contents(name).expect("a segment"),
        );
        let damage = damage(&disk);
        let known = matches!(
            damage,
            Damage::BrokenChain { .. } | Damage::Fork { .. } | Damage::Missing { .. }
        );
        assert!(known, "{damage}");
    }
    let disk = whole_disk();
    let fork = other_history(ID, 900);
    for name in SEGMENTS {
        disk.put(name, fork.contents(name).expect("a segment"));
    }
    assert!(matches!(damage(&disk), Damage::Fork { .. }));
}

#[test]
fn a_record_of_a_fork_in_the_middle_of_a_segment() {
    let disk = whole_disk();
    let fork = other_history(ID, 900);
    let mut contents = disk.contents(SEGMENTS[1]).expect("a segment");
    // The first segment of both starts at the same position with the same seed.
    let mut first = disk.contents(SEGMENTS[0]).expect("a segment");
    let second_record = 4096 + 984..4096 + 2 * 984;
    let other = fork.contents(SEGMENTS[0]).expect("a segment");
    first[second_record.clone()].copy_from_slice(&other[second_record.clone()]);
    disk.put(SEGMENTS[0], first.clone());
    match damage(&disk) {
        Damage::Record {
            position,
            flaw: Flaw::Chain,
            ..
        } => assert_eq!(position.get(), 1),
        other => panic!("unexpected report: {other}"),
    }
    // A record of another segment is no record here at all.
    contents[second_record.clone()].copy_from_slice(&first[second_record]);
    let disk = whole_disk();
    disk.put(SEGMENTS[1], contents);
    match damage(&disk) {
        Damage::Record {
            position,
            flaw: Flaw::HeaderChecksum { .. },
            ..
        } => {
            assert_eq!(position.get(), 5);
        }
        other => panic!("unexpected report: {other}"),
    }
}

#[test]
fn an_old_copy_of_the_last_segment() {
    let disk = FaultyDisk::new(0);
    let mut journal = open(&disk).expect("a new journal");
    commit(&mut journal, 1, &[record(0, 100)]);
    let old = disk.contents(SEGMENTS[0]).expect("a segment");
    commit(&mut journal, 1, &[record(1, 100)]);
    journal.close().expect("a clean stop");
    drop(journal);
    disk.put(SEGMENTS[0], old);
    match damage(&disk) {
        Damage::Missing { from, to, .. } => assert_eq!((from.get(), to.get()), (1, 2)),
        other => panic!("unexpected report: {other}"),
    }
}

#[test]
fn a_record_of_a_fork_that_appears_after_opening_is_not_served() {
    let disk = whole_disk();
    let journal = open(&disk).expect("a whole journal");
    let ours = disk.contents(SEGMENTS[0]).expect("a segment");
    let other = other_history(ID, 900)
        .contents(SEGMENTS[0])
        .expect("a segment");
    for byte in 4096 + 984..4096 + 2 * 984 {
        for bit in (0..8).filter(|bit| (ours[byte] ^ other[byte]) >> bit & 1 == 1) {
            disk.flip(SEGMENTS[0], byte as u64, bit).expect("a segment");
        }
    }
    let error = journal.read(Position::ZERO, 1 << 20).expect_err("a fork");
    let damaged = matches!(
        error,
        ReadError::Damaged { position, flaw: Flaw::Chain, .. } if position.get() == 1
    );
    assert!(damaged, "{error}");
}

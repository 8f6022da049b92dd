//! Rot, loss, and operators' accidents: what was durable is there, or opening refuses and says what
//! is missing. Nothing is ever cut that was witnessed, and nothing is deleted.

mod support;

use std::io::ErrorKind;
use std::sync::Arc;

use bytes::Bytes;
use capataz_journal::conformance::{commit, read_all, record, writer};
use capataz_journal::disk::faulty::{FaultyDisk, Operation};
use capataz_journal::file::{Damage, Flaw, Proof};
use capataz_journal::{Append, FileJournal, Journal, OpenError, Position, Refusal, Room};

use support::{SEGMENT_BYTES, SEGMENTS, damage, everything, open, options, whole_disk};

/// A disk whose last records the witness does not know: 0 is witnessed, 1 to 4 are not; 3 and 4
/// are one group.
fn unwitnessed_disk() -> FaultyDisk {
    let disk = FaultyDisk::new(0);
    let mut journal = open(&disk).expect("a new journal");
    commit(&mut journal, 1, &[record(0, 100)]);
    journal.maintain().expect("a healthy journal");
    commit(&mut journal, 1, &[record(1, 100)]);
    commit(&mut journal, 1, &[record(2, 100)]);
    commit(&mut journal, 1, &[record(3, 100), record(4, 100)]);
    drop(journal);
    disk
}

/// Where the record with this number starts on [`unwitnessed_disk`].
fn offset_of(number: u64) -> u64 {
    4096 + number * (80 + 104)
}

/// The records that a damaged copy still serves; `None` when it refuses.
fn served(disk: &FaultyDisk) -> Option<Vec<Bytes>> {
    let journal = match open(disk) {
        Ok(journal) => journal,
        Err(OpenError::Damaged(_)) => return None,
        Err(other) => panic!("expected damage, got {other}"),
    };
    let entries = read_all(&journal, journal.first(), 4096);
    Some(entries.into_iter().map(|entry| entry.payload).collect())
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_witnessed_history() {
    let whole = whole_disk();
    let expected: Vec<_> = (0..10).map(|number| record(number, 900)).collect();
    let mut refusals = 0;
    for (name, contents) in everything(&whole) {
        for byte in 0..contents.len() as u64 {
            let disk = whole.fork();
            disk.flip(&name, byte, (byte % 8) as u8).expect("a file");
            match served(&disk) {
                None => refusals += 1,
                Some(records) => assert_eq!(records, expected, "{name}, byte {byte}"),
            }
        }
    }
    assert!(
        refusals > 10 * 980,
        "only {refusals} refusals: most flips were not noticed"
    );
}

#[test]
fn a_flipped_bit_in_any_byte_above_the_witness() {
    let whole = unwitnessed_disk();
    let expected: Vec<_> = (0..5).map(|number| record(number, 100)).collect();
    let mut cuts = 0;
    for byte in 0..offset_of(6) {
        let disk = whole.fork();
        disk.flip(SEGMENTS[0], byte, (byte % 8) as u8)
            .expect("a file");
        let Some(records) = served(&disk) else {
            continue;
        };
        assert_eq!(records, expected[..records.len()], "byte {byte}");
        if records.len() < expected.len() {
            // Only what no later record shows to have been synced may go: the last group.
            assert!(byte >= offset_of(3) && byte < offset_of(5), "byte {byte}");
            assert_eq!(records.len(), 3, "half a group at byte {byte}");
            cuts += 1;
        }
    }
    assert!(cuts >= 2 * 180, "only {cuts} cuts");
}

#[test]
fn a_damaged_record_that_a_later_one_shows_to_have_been_synced() {
    let disk = unwitnessed_disk();
    disk.flip(SEGMENTS[0], offset_of(1) + 80, 3)
        .expect("a file");
    match damage(&disk) {
        Damage::Record {
            position,
            file,
            offset,
            flaw: Flaw::PayloadChecksum { .. },
            proof:
                Proof::LaterRecord {
                    position: later,
                    durable,
                    ..
                },
        } => {
            assert_eq!((position.get(), file.as_str()), (1, SEGMENTS[0]));
            assert_eq!(offset, offset_of(1));
            assert_eq!((later.get(), durable.get()), (2, 2));
        }
        other => panic!("unexpected report: {other}"),
    }
}

#[test]
fn a_lost_tail_below_the_witness() {
    let disk = whole_disk();
    let mut contents = disk.contents(SEGMENTS[2]).expect("a segment");
    contents[4096 + 984..].fill(0);
    disk.put(SEGMENTS[2], contents);
    match damage(&disk) {
        Damage::Missing {
            from,
            to,
            file,
            offset,
            proof,
        } => {
            assert_eq!((from.get(), to.get()), (9, 10));
            assert_eq!((file.as_str(), offset), (SEGMENTS[2], 4096 + 984));
            let durable = Position::new(10);
            assert_eq!(proof, Proof::Witness { durable });
        }
        other => panic!("unexpected report: {other}"),
    }
}

#[test]
fn an_interrupted_trim_is_finished_by_the_next_start() {
    let disk = whole_disk();
    let mut journal = open(&disk).expect("a whole journal");
    disk.fail(Operation::Remove, 2, ErrorKind::Other);
    assert!(journal.trim(Position::new(9), 1).is_err());
    drop(journal);
    disk.crash(1);
    let journal = open(&disk).expect("a journal with leftovers");
    assert_eq!((journal.first().get(), journal.tail().get()), (9, 10));
    for name in &SEGMENTS[..2] {
        assert!(disk.contents(name).is_err(), "{name} is still there");
    }
}

#[test]
fn one_lost_slot_of_the_witness_after_a_trim() {
    let disk = whole_disk();
    let mut journal = open(&disk).expect("a whole journal");
    journal.trim(Position::new(9), 1).expect("a trim");
    drop(journal);
    assert!(
        disk.contents(SEGMENTS[1]).is_err(),
        "the trim removed nothing"
    );
    for slot in [0, 4096] {
        let disk = disk.fork();
        disk.flip("witness", slot + 40, 0).expect("the witness");
        let journal = open(&disk).expect("the other slot suffices");
        assert_eq!((journal.first().get(), journal.tail().get()), (9, 10));
    }
}

#[test]
fn a_second_opener_is_refused() {
    let disk = whole_disk();
    let journal = open(&disk).expect("a whole journal");
    assert!(matches!(open(&disk), Err(OpenError::Locked { .. })));
    drop(journal);
    open(&disk).expect("the lock went with the journal");
}

#[test]
fn foreign_files_are_ignored() {
    let disk = whole_disk();
    for name in [
        "notes.txt",
        "00.segment",
        "0000000000000004.segment.bak",
        "x.segment",
    ] {
        disk.put(name, vec![1, 2, 3]);
    }
    assert_eq!(served(&disk).expect("a whole journal").len(), 10);
    assert_eq!(disk.contents("notes.txt").expect("the file"), [1, 2, 3]);
}

#[test]
fn a_full_disk_refuses_early_and_recovers() {
    let disk = FaultyDisk::new(0);
    let mut journal = open(&disk).expect("a new journal");
    disk.set_capacity(Some(SEGMENT_BYTES * 2));
    let mut early = None;
    let refused = loop {
        let tail = journal.tail();
        let append = journal.append(tail, writer(1), &[record(tail.get(), 400)]);
        if journal.maintain().expect("a healthy journal") != Room::Enough {
            early.get_or_insert(tail);
        }
        match append {
            Append::Committed { .. } => assert!(tail.get() < 100, "the disk never filled"),
            Append::Refused(Refusal::NoSpace { needed }) => {
                assert_eq!(needed, SEGMENT_BYTES);
                break tail;
            }
            other => panic!("expected a commit or a refusal, got {other:?}"),
        }
    };
    assert!(
        early.expect("a warning") < refused,
        "the warning came too late"
    );
    assert_eq!(
        read_all(&journal, Position::ZERO, 4096).len() as u64,
        refused.get()
    );
    drop(journal);
    let mut journal = open(&disk).expect("a journal on a full disk");
    assert_eq!(journal.tail(), refused);
    disk.set_capacity(None);
    commit(&mut journal, 1, &[record(refused.get(), 400)]);
    assert_eq!(
        read_all(&journal, Position::ZERO, 4096).len() as u64,
        refused.get() + 1
    );
}

#[test]
fn a_record_that_rots_after_opening_is_not_served() {
    let disk = whole_disk();
    let journal = FileJournal::open_on(Arc::new(disk.clone()), options()).expect("a journal");
    disk.flip(SEGMENTS[1], 4096 + 100, 0).expect("a segment");
    let good = journal
        .read(Position::ZERO, 1 << 20)
        .expect("the first segment");
    assert_eq!(good.len(), 4);
    let error = journal
        .read(Position::new(4), 1 << 20)
        .expect_err("a damaged record");
    assert!(error.to_string().contains("position 4"), "{error}");
}

#[test]
fn a_disk_that_is_full_against_its_own_word_refuses_too() {
    for (operation, nth) in [(Operation::Reserve, 1), (Operation::Write, 1)] {
        let disk = FaultyDisk::new(0);
        let mut journal = open(&disk).expect("a new journal");
        if operation == Operation::Reserve {
            // The next record does not fit into the segment any more.
            commit(&mut journal, 1, &[record(0, 3500)]);
        }
        let tail = journal.tail();
        disk.fail(operation, nth, ErrorKind::StorageFull);
        let append = journal.append(tail, writer(1), &[record(tail.get(), 900)]);
        let refused = matches!(append, Append::Refused(Refusal::NoSpace { .. }));
        assert!(refused, "{operation:?}: {append:?}");
        commit(&mut journal, 1, &[record(tail.get(), 900)]);
        drop(journal);
        disk.crash(1);
        assert_eq!(open(&disk).expect("a journal").tail(), tail.advance(1));
    }
}

//! What every backend must do, as assertions: each function takes an empty journal.
//!
//! [`check_all`] runs them all. It panics at the first difference, as a test does.

use std::time::Duration;

use bytes::Bytes;

use crate::{Append, Entry, Fault, Journal, Position, ReadError, Refusal, TrimError, Writer};

/// More than any test needs at once, in bytes.
const ALL: usize = 64 << 20;
/// How long a follower may take to notice, at the very most; it usually takes microseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// A writer with an id of its own per epoch.
pub fn writer(epoch: u64) -> Writer {
    Writer {
        epoch,
        id: [epoch as u8; 16],
    }
}

/// Appends at the tail and returns the new one; panics when it is not committed.
pub fn commit(journal: &mut dyn Journal, epoch: u64, records: &[Bytes]) -> Position {
    match journal.append(journal.tail(), writer(epoch), records) {
        Append::Committed { tail } => tail,
        other => panic!("expected a commit, got {other:?}"),
    }
}

/// A record whose contents follow from its number.
pub fn record(number: u64, length: usize) -> Bytes {
    (0..length)
        .map(|index| (number.wrapping_mul(31) as usize + index) as u8)
        .collect()
}

/// Reads everything from `from` to the tail, call by call.
pub fn read_all(journal: &dyn Journal, from: Position, max_bytes: usize) -> Vec<Entry> {
    let mut reader = journal.reader();
    let mut entries = Vec::new();
    let mut next = from;
    loop {
        let more = reader.read(next, max_bytes).expect("a readable journal");
        let Some(last) = more.last() else {
            return entries;
        };
        next = last.position.advance(1);
        entries.extend(more);
    }
}

/// Runs everything on journals that `make` makes, each of them empty.
pub fn check_all(make: &dyn Fn() -> Box<dyn Journal>) {
    starts_empty(&mut *make());
    returns_what_was_appended(&mut *make());
    refuses_another_position(&mut *make());
    fences_superseded_writers(&mut *make());
    refuses_what_is_too_large(&mut *make());
    takes_records_of_the_largest_size(&mut *make());
    bounds_reads(&mut *make());
    reads_from_anywhere(&mut *make());
    wakes_followers(make());
    releases_followers_when_closed(make());
    trims(&mut *make());
    is_poisoned_once_closed(&mut *make());
}

fn starts_empty(journal: &mut dyn Journal) {
    assert_eq!(journal.tail(), Position::ZERO);
    assert_eq!(journal.first(), Position::ZERO);
    assert_eq!(journal.last_writer(), Writer::NOBODY);
    let none = journal.read(Position::ZERO, ALL).expect("an empty read");
    assert_eq!(none, []);
}

fn returns_what_was_appended(journal: &mut dyn Journal) {
    let lengths = [0, 1, 7, 8, 9, 511, 512, 513, 2047, 2048, 2049, 100_000];
    let records: Vec<_> = (0..)
        .zip(lengths)
        .map(|(number, length)| record(number, length))
        .collect();
    commit(journal, 1, &records[..3]);
    commit(journal, 1, &records[3..4]);
    let tail = commit(journal, 2, &records[4..]);
    assert_eq!(tail, Position::new(records.len() as u64));
    assert_eq!(journal.tail(), tail);
    assert_eq!(journal.last_writer(), writer(2));
    let entries = read_all(journal, Position::ZERO, ALL);
    assert_eq!(entries.len(), records.len());
    for (index, entry) in entries.iter().enumerate() {
        let epoch = if index < 4 { 1 } else { 2 };
        assert_eq!(entry.position, Position::new(index as u64));
        assert_eq!(entry.epoch, epoch);
        assert_eq!(entry.writer_id, writer(epoch).id);
        assert_eq!(entry.payload, records[index]);
    }
}

fn conflict_at(append: Append, expected: Position) {
    match append {
        Append::Conflict { tail } => assert_eq!(tail, expected),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

fn refuses_another_position(journal: &mut dyn Journal) {
    let tail = commit(journal, 1, &[record(0, 10), record(1, 10)]);
    for expected in [0, 1, 3, u64::MAX] {
        let expected = Position::new(expected);
        let append = journal.append(expected, writer(1), &[record(2, 10)]);
        conflict_at(append, tail);
    }
    assert_eq!(read_all(journal, Position::ZERO, ALL).len(), 2);
    match journal.append(tail, writer(1), &[]) {
        Append::Committed { tail: same } => assert_eq!(same, tail),
        other => panic!("expected an empty commit, got {other:?}"),
    }
    conflict_at(journal.append(Position::ZERO, writer(1), &[]), tail);
}

fn fences_superseded_writers(journal: &mut dyn Journal) {
    let nobody = journal.append(Position::ZERO, Writer::NOBODY, &[record(0, 10)]);
    conflict_at(nobody, Position::ZERO);
    let tail = commit(journal, 5, &[record(0, 10)]);
    conflict_at(journal.append(tail, writer(4), &[record(1, 10)]), tail);
    let impostor = Writer {
        epoch: 5,
        id: [99; 16],
    };
    conflict_at(journal.append(tail, impostor, &[record(1, 10)]), tail);
    let tail = commit(journal, 6, &[record(1, 10)]);
    conflict_at(journal.append(tail, writer(5), &[record(2, 10)]), tail);
    assert_eq!(read_all(journal, Position::ZERO, ALL).len(), 2);
}

fn refuses_what_is_too_large(journal: &mut dyn Journal) {
    let limit = journal.max_record_bytes();
    let tail = commit(journal, 1, &[record(0, 10)]);
    let large = Bytes::from(vec![1; limit + 1]);
    match journal.append(tail, writer(1), &[record(1, 10), large]) {
        Append::Refused(Refusal::TooLarge { limit: said, got }) => {
            assert_eq!((said, got), (limit, limit + 1));
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
    let half = Bytes::from(vec![1; limit / 2]);
    let group: Vec<_> = std::iter::repeat_n(half, 9).collect();
    match journal.append(tail, writer(1), &group) {
        Append::Refused(Refusal::GroupTooLarge { limit, got }) => assert!(got > limit),
        other => panic!("expected a refusal, got {other:?}"),
    }
    assert_eq!(journal.tail(), tail);
    commit(journal, 1, &[record(1, 10)]);
    assert_eq!(read_all(journal, Position::ZERO, ALL).len(), 2);
}

fn takes_records_of_the_largest_size(journal: &mut dyn Journal) {
    let largest = Bytes::from(vec![7; journal.max_record_bytes()]);
    commit(journal, 1, &[largest.clone(), record(1, 1)]);
    commit(journal, 1, std::slice::from_ref(&largest));
    let entries = read_all(journal, Position::ZERO, 1);
    assert_eq!(entries.len(), 3);
    assert!(entries[0].payload == largest && entries[2].payload == largest);
}

fn bounds_reads(journal: &mut dyn Journal) {
    let records: Vec<_> = (0..20).map(|number| record(number, 100)).collect();
    let tail = commit(journal, 1, &records);
    let read = |max| journal.read(Position::ZERO, max).expect("a read").len();
    assert_eq!(read(0), 1);
    assert_eq!(read(99), 1);
    assert_eq!(read(250), 2);
    assert_eq!(read(300), 3);
    assert_eq!(journal.read(tail, ALL).expect("an empty read"), []);
    let beyond = tail.advance(1);
    match journal.read(beyond, ALL) {
        Err(ReadError::BeyondTail { from, tail: end }) => assert_eq!((from, end), (beyond, tail)),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn reads_from_anywhere(journal: &mut dyn Journal) {
    let count = 3000;
    for start in (0..count).step_by(100) {
        let group: Vec<_> = (start..start + 100)
            .map(|n| record(n, (n % 300) as usize))
            .collect();
        commit(journal, 1, &group);
    }
    let mut reader = journal.reader();
    let mut from = 0;
    for step in 0..200 {
        from = (from + 997 * step) % count;
        let entries = reader.read(Position::new(from), 1000).expect("a read");
        for (number, entry) in (from..).zip(&entries) {
            assert_eq!(entry.position, Position::new(number));
            assert_eq!(entry.payload, record(number, (number % 300) as usize));
        }
        assert!(!entries.is_empty());
    }
    assert_eq!(read_all(journal, Position::ZERO, 5000).len() as u64, count);
}

fn wakes_followers(mut journal: Box<dyn Journal>) {
    let mut reader = journal.reader();
    let none = reader
        .follow(Position::ZERO, Duration::ZERO)
        .expect("no record");
    assert_eq!(none, Position::ZERO);
    let follower = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while seen.len() < 50 {
            let next = Position::new(seen.len() as u64);
            let tail = reader.follow(next, PATIENCE).expect("a record");
            assert!(tail > next, "waited {PATIENCE:?} in vain");
            seen.extend(reader.read(next, ALL).expect("records"));
        }
        seen
    });
    for number in 0..50 {
        commit(&mut *journal, 1, &[record(number, 50)]);
    }
    let seen = follower.join().expect("the follower's records");
    for (number, entry) in (0..).zip(seen) {
        assert_eq!(entry.payload, record(number, 50));
    }
}

fn releases_followers_when_closed(mut journal: Box<dyn Journal>) {
    let tail = commit(&mut *journal, 1, &[record(0, 10)]);
    let mut reader = journal.reader();
    let follower = std::thread::spawn(move || reader.follow(tail, PATIENCE));
    let mut reader = journal.reader();
    journal.close().expect("a clean stop");
    drop(journal);
    let ended = follower.join().expect("the follower's end");
    assert!(matches!(ended, Err(ReadError::Closed)), "{ended:?}");
    assert_eq!(reader.read(Position::ZERO, ALL).expect("a read").len(), 1);
}

fn trims(journal: &mut dyn Journal) {
    let records: Vec<_> = (0..100).map(|number| record(number, 1000)).collect();
    for record in &records {
        commit(journal, 3, std::slice::from_ref(record));
    }
    let (tail, below) = (journal.tail(), Position::new(60));
    match journal.trim(below, 2) {
        Err(TrimError::StaleEpoch { newest, got }) => assert_eq!((newest, got), (3, 2)),
        other => panic!("expected a refusal, got {other:?}"),
    }
    match journal.trim(tail.advance(1), 3) {
        Err(TrimError::BeyondTail { tail: end, .. }) => assert_eq!(end, tail),
        other => panic!("expected a refusal, got {other:?}"),
    }
    assert_eq!(journal.first(), Position::ZERO);
    for again in [60, 60, 10] {
        journal.trim(Position::new(again), 3).expect("a trim");
        assert_eq!((journal.first(), journal.tail()), (below, tail));
    }
    let mut reader = journal.reader();
    match reader.read(Position::new(59), ALL) {
        Err(ReadError::Trimmed { first, .. }) => assert_eq!(first, below),
        other => panic!("expected a refusal, got {other:?}"),
    }
    let followed = reader.follow(Position::ZERO, Duration::ZERO);
    assert!(
        matches!(followed, Err(ReadError::Trimmed { .. })),
        "{followed:?}"
    );
    let rest = read_all(journal, below, ALL);
    assert_eq!(rest.len(), 40);
    assert_eq!(rest[0].payload, records[60]);
    journal.trim(tail, 3).expect("a trim of everything");
    assert_eq!((journal.first(), journal.tail()), (tail, tail));
    assert_eq!(commit(journal, 3, &[record(100, 10)]), tail.advance(1));
    assert_eq!(read_all(journal, tail, ALL).len(), 1);
}

fn is_poisoned_once_closed(journal: &mut dyn Journal) {
    let tail = commit(journal, 1, &[record(0, 10)]);
    journal.maintain().expect("a healthy journal");
    journal.close().expect("a clean stop");
    let append = journal.append(tail, writer(1), &[record(1, 10)]);
    assert!(
        matches!(append, Append::Unknown(Fault::Poisoned)),
        "{append:?}"
    );
    let trim = journal.trim(tail, 1);
    assert!(
        matches!(trim, Err(TrimError::Fault(Fault::Poisoned))),
        "{trim:?}"
    );
    assert!(matches!(journal.maintain(), Err(Fault::Poisoned)));
}

//! The same promises on a real file system: damage done with ordinary file operations, and a
//! writing process that is killed.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use capataz_journal::conformance::{commit, read_all, record};
use capataz_journal::file::{Damage, inspect, repair_cut_at};
use capataz_journal::{FileJournal, FileOptions, Journal, JournalId, OpenError, Position};

const SEGMENTS: [&str; 3] = [
    "0000000000000000.segment",
    "0000000000000004.segment",
    "0000000000000008.segment",
];

fn options() -> FileOptions {
    FileOptions {
        segment_bytes: 8 << 10,
        ..FileOptions::default()
    }
}

fn open(folder: &Path) -> Result<FileJournal, OpenError> {
    FileJournal::open(folder, options())
}

fn damage(folder: &Path) -> Damage {
    match open(folder) {
        Err(OpenError::Damaged(damage)) => damage,
        Err(other) => panic!("expected damage, got {other}"),
        Ok(journal) => panic!("opened up to {}, expected damage", journal.tail()),
    }
}

/// Ten records of 900 bytes, four to a segment; cleanly stopped or not.
fn journal_in(folder: PathBuf, clean: bool) -> PathBuf {
    let mut journal = open(&folder).expect("a new journal");
    for number in 0..10 {
        commit(&mut journal, 1, &[record(number, 900)]);
        if number == 8 {
            journal.maintain().expect("a healthy journal");
        }
    }
    if clean {
        journal.close().expect("a clean stop");
    }
    folder
}

fn overwrite(folder: &Path, name: &str, bytes: &[u8], offset: u64) {
    let file = OpenOptions::new().write(true).open(folder.join(name));
    file.expect("a segment")
        .write_all_at(bytes, offset)
        .expect("a write");
}

fn assert_serves(folder: &Path, count: u64) {
    let journal = open(folder).expect("a journal");
    let entries = read_all(&journal, Position::ZERO, 4096);
    assert_eq!(entries.len() as u64, count);
    for (number, entry) in (0..).zip(entries) {
        assert_eq!(entry.payload, record(number, 900));
    }
}

#[test]
fn survives_clean_and_other_stops() {
    let root = tempfile::tempdir().expect("a folder");
    for clean in [true, false] {
        let folder = journal_in(root.path().join("deep/er").join(clean.to_string()), clean);
        let id = open(&folder).expect("a journal").journal_id();
        assert_serves(&folder, 10);
        assert_eq!(open(&folder).expect("a journal").journal_id(), id);
    }
}

#[test]
fn cuts_a_torn_tail_and_nothing_else() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = journal_in(root.path().join("torn"), false);
    overwrite(&folder, SEGMENTS[2], &[0; 500], 4096 + 984 + 400);
    let report = inspect(&folder).expect("a report");
    assert!(report.torn && report.damage.is_none());
    assert_serves(&folder, 9);
    let mut journal = open(&folder).expect("a journal");
    commit(&mut journal, 1, &[record(9, 900)]);
    drop(journal);
    assert_serves(&folder, 10);
}

#[test]
fn refuses_a_damaged_missing_swapped_or_foreign_segment() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = journal_in(root.path().join("damaged"), true);
    overwrite(&folder, SEGMENTS[0], b"rot", 4096 + 300);
    assert!(matches!(damage(&folder), Damage::Record { position, .. } if position.get() == 0));

    let folder = journal_in(root.path().join("missing"), true);
    fs::remove_file(folder.join(SEGMENTS[1])).expect("a segment");
    assert!(matches!(damage(&folder), Damage::Missing { from, .. } if from.get() == 4));

    let swapped = journal_in(root.path().join("swapped"), true);
    fs::rename(swapped.join(SEGMENTS[1]), swapped.join("aside")).expect("a rename");
    fs::rename(swapped.join(SEGMENTS[2]), swapped.join(SEGMENTS[1])).expect("a rename");
    fs::rename(swapped.join("aside"), swapped.join(SEGMENTS[2])).expect("a rename");
    assert!(matches!(damage(&swapped), Damage::MisnamedSegment { .. }));

    let foreign = journal_in(root.path().join("foreign"), true);
    fs::copy(folder.join(SEGMENTS[2]), foreign.join(SEGMENTS[2])).expect("a copy");
    assert!(matches!(damage(&foreign), Damage::ForeignSegment { .. }));
}

#[test]
fn repairs_only_when_asked() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = journal_in(root.path().join("journal"), true);
    overwrite(&folder, SEGMENTS[1], b"rot", 4096 + 984 + 300);
    let first = damage(&folder);
    assert_eq!(damage(&folder), first, "a refusal changed something");
    let repaired = repair_cut_at(&folder, Position::new(5)).expect("a repair");
    for name in &repaired.kept {
        assert!(folder.join(&repaired.folder).join(name).is_file());
    }
    assert_serves(&folder, 5);
}

#[test]
fn a_second_process_or_handle_is_refused() {
    let root = tempfile::tempdir().expect("a folder");
    let journal = open(root.path()).expect("a new journal");
    assert!(matches!(open(root.path()), Err(OpenError::Locked { .. })));
    drop(journal);
    open(root.path()).expect("the lock went with the journal");
}

#[test]
fn a_missing_folder_is_not_inspected() {
    let root = tempfile::tempdir().expect("a folder");
    assert!(inspect(root.path().join("nowhere")).is_err());
}

/// Names the folder for the process that [`a_killed_writer_loses_nothing`] starts.
const FOLDER: &str = "CAPATAZ_JOURNAL_TEST_FOLDER";

/// Not a test of its own: the process that gets killed.
#[test]
#[ignore = "started by a_killed_writer_loses_nothing"]
fn write_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = PathBuf::from(folder);
    let options = FileOptions {
        segment_bytes: 256 << 10,
        new_id: JournalId::random(),
    };
    let mut journal = FileJournal::open(folder, options).expect("a journal");
    loop {
        let next = journal.tail().get();
        let tail = commit(&mut journal, 1, &[record(next, 900)]);
        println!("committed {tail}");
        if next.is_multiple_of(16) {
            journal.maintain().expect("a healthy journal");
        }
    }
}

#[test]
fn a_killed_writer_loses_nothing() {
    let root = tempfile::tempdir().expect("a folder");
    let mut acknowledged = 0;
    for round in 1..=5 {
        let program = std::env::current_exe().expect("this program");
        let mut writer = Command::new(program)
            .args(["--exact", "write_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, root.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a writer");
        let output = BufReader::new(writer.stdout.take().expect("its output"));
        let mut lines = output
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("committed ")?.parse::<u64>().ok());
        let enough = acknowledged + 37 * round;
        acknowledged = lines.find(|tail| *tail >= enough).expect("enough commits");
        writer.kill().expect("a kill");
        writer.wait().expect("its end");
        acknowledged = lines.last().unwrap_or(acknowledged);
        let journal = open(root.path()).expect("a journal after a kill");
        let entries = read_all(&journal, Position::ZERO, 1 << 20);
        assert!(
            entries.len() as u64 >= acknowledged,
            "lost an acknowledged record"
        );
        for (number, entry) in (0..).zip(&entries) {
            assert_eq!(entry.payload, record(number, 900));
        }
    }
}

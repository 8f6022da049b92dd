//! The suite that every backend must pass, on the backends of this crate.

use std::sync::Arc;

use capataz_journal::conformance::check_all;
use capataz_journal::disk::faulty::FaultyDisk;
use capataz_journal::{FileJournal, FileOptions, JournalId, MemoryJournal};

fn options(segment_bytes: u64) -> FileOptions {
    FileOptions {
        segment_bytes,
        new_id: JournalId::from_bytes([7; 16]),
    }
}

#[test]
fn memory_journal_conforms() {
    check_all(&|| Box::new(MemoryJournal::new(JournalId::from_bytes([7; 16]))));
}

#[test]
fn file_journal_conforms_on_real_files() {
    let folders = tempfile::tempdir().expect("a folder");
    let count = std::cell::Cell::new(0);
    check_all(&|| {
        count.set(count.get() + 1);
        let folder = folders.path().join(count.get().to_string());
        Box::new(FileJournal::open(folder, options(1 << 20)).expect("a new journal"))
    });
}

#[test]
fn file_journal_conforms_on_a_simulated_disk() {
    check_all(&|| {
        let disk = Arc::new(FaultyDisk::new(1));
        Box::new(FileJournal::open_on(disk, options(16 << 10)).expect("a new journal"))
    });
}

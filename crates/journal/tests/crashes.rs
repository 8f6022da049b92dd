//! Power cuts, kills and disk failures at every point of a history: nothing that was answered is
//! lost, nothing is invented, and a crash alone never makes a journal look damaged.

mod support;

use std::io::ErrorKind;

use capataz_journal::conformance::{commit, read_all, record};
use capataz_journal::disk::faulty::{FaultyDisk, Operation};

use capataz_journal::{Journal, Position};

use support::{Ledger, check, open, play, random_history, short_history};

/// Opens after a crash and checks everything, then proves that what is served is durable: what was
/// found, and, on a copy of the disk, what is appended at once.
fn recover(disk: &FaultyDisk, ledger: &mut Ledger, seed: u64, context: &str) {
    let copy = disk.fork();
    let mut copied = ledger.clone();
    let opened = |disk| match open(disk) {
        Ok(journal) => journal,
        Err(error) => panic!("{context}: a crash looks like damage: {error}"),
    };
    check(&opened(disk), ledger);
    disk.crash(seed);
    check(&opened(disk), ledger);

    let mut journal = opened(&copy);
    check(&journal, &mut copied);
    let next = record(copied.committed.len() as u64, 33);
    commit(&mut journal, 2, std::slice::from_ref(&next));
    copied.committed.push(next);
    drop(journal);
    copy.crash(seed);
    check(&opened(&copy), &mut copied);
}

/// How many changes a history makes when nothing fails.
fn changes_of(steps: &[support::Step]) -> u64 {
    let disk = FaultyDisk::new(0);
    assert!(
        play(&disk, steps, &mut Ledger::default()),
        "the history itself fails"
    );
    disk.changes()
}

#[test]
fn power_cut_after_every_single_change() {
    let steps = short_history();
    let changes = changes_of(&steps);
    assert!(changes > 60, "the history is too short to prove anything");
    for cut in 0..=changes {
        for seed in 0..12 {
            let disk = FaultyDisk::new(seed);
            let mut ledger = Ledger::default();
            disk.cut_after(cut);
            play(&disk, &steps, &mut ledger);
            disk.crash(seed);
            let context = format!("cut after {cut} changes, seed {seed}");
            recover(&disk, &mut ledger, seed + 1, &context);
        }
    }
}

#[test]
fn power_cut_during_every_change_of_a_recovery() {
    let steps = short_history();
    let changes = changes_of(&steps);
    for first_cut in (0..changes).step_by(7) {
        for second_cut in 0..20 {
            let disk = FaultyDisk::new(first_cut);
            let mut ledger = Ledger::default();
            disk.cut_after(first_cut);
            play(&disk, &steps, &mut ledger);
            disk.crash(second_cut);
            disk.cut_after(second_cut);
            drop(open(&disk));
            disk.crash(second_cut + 1);
            let context = format!("cuts after {first_cut} and {second_cut} changes");
            recover(&disk, &mut ledger, second_cut, &context);
        }
    }
}

#[test]
fn kill_after_every_single_change() {
    let steps = short_history();
    for cut in 0..=changes_of(&steps) {
        let disk = FaultyDisk::new(cut);
        let mut ledger = Ledger::default();
        disk.cut_after(cut);
        play(&disk, &steps, &mut ledger);
        let disk = disk.fork();
        recover(
            &disk,
            &mut ledger,
            cut,
            &format!("killed after {cut} changes"),
        );
    }
}

#[test]
fn every_failing_operation_then_kill_or_power_cut() {
    let steps = short_history();
    let operations = [
        Operation::Create,
        Operation::Rename,
        Operation::Remove,
        Operation::SyncFolder,
        Operation::Write,
        Operation::Sync,
        Operation::Reserve,
    ];
    for operation in operations {
        for nth in 1..60 {
            for error in [ErrorKind::Other, ErrorKind::StorageFull] {
                let disk = FaultyDisk::new(nth);
                let mut ledger = Ledger::default();
                disk.fail(operation, nth, error);
                play(&disk, &steps, &mut ledger);
                let context = format!("{operation:?} number {nth} fails with {error:?}");
                // The process ends, the page cache stays; what it shows may be on no disk.
                let disk = disk.fork();
                recover(&disk, &mut ledger, nth, &context);
            }
        }
    }
}

#[test]
fn random_histories_with_random_crashes() {
    let mut committed = 0;
    for seed in 0..300 {
        let disk = FaultyDisk::new(seed);
        let mut ledger = Ledger::default();
        for round in 0..6 {
            let mut choices = support::Choices(seed * 100 + round);
            let steps = random_history(choices.below(u64::MAX), 25);
            if choices.below(4) > 0 {
                disk.cut_after(choices.below(100));
            }
            if choices.below(3) == 0 {
                let operation = [Operation::Sync, Operation::Write][choices.below(2) as usize];
                disk.fail(operation, 1 + choices.below(30), ErrorKind::Other);
            }
            play(&disk, &steps, &mut ledger);
            if choices.below(3) == 0 {
                disk.heal();
                disk.kill();
            } else {
                disk.crash(choices.below(u64::MAX));
            }
            let journal = match open(&disk) {
                Ok(journal) => journal,
                // A planned failure may strike the opening itself.
                Err(capataz_journal::OpenError::Disk(_)) => {
                    disk.heal();
                    disk.crash(seed);
                    open(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
                }
                Err(error) => panic!("seed {seed}, round {round}: {error}"),
            };
            check(&journal, &mut ledger);
        }
        committed += ledger.committed.len();
    }
    assert!(
        committed > 20_000,
        "only {committed} records: the crashes come too early"
    );
}

#[test]
fn failed_sync_poisons_and_is_never_repeated() {
    let disk = FaultyDisk::new(1);
    let mut ledger = Ledger::default();
    let mut journal = open(&disk).expect("a new journal");
    assert!(support::append(&mut journal, &[10], &mut ledger));
    let before = disk.changes();
    disk.fail(Operation::Sync, 1, ErrorKind::Other);
    assert!(!support::append(&mut journal, &[20, 30], &mut ledger));
    let after = disk.changes();
    assert!(after > before);
    assert!(!support::append(
        &mut journal,
        &[40],
        &mut Ledger::default()
    ));
    assert!(journal.maintain().is_err());
    assert!(journal.close().is_err());
    assert_eq!(disk.changes(), after, "a poisoned journal touched the disk");
    assert_eq!(
        journal.tail().get(),
        1,
        "a record is visible that may not be durable"
    );
}

#[test]
fn syncs_once_per_group() {
    let disk = FaultyDisk::new(1);
    let mut journal = open(&disk).expect("a new journal");
    let before = journal.syncs();
    let group: Vec<_> = (0..10).map(|number| record(number, 50)).collect();
    commit(&mut journal, 1, &group);
    commit(&mut journal, 1, &group);
    assert_eq!(journal.syncs(), before + 2);
}

/// A group that is too large for an empty segment takes its place and its name; a trim once took
/// the new file for the old one and removed it.
#[test]
fn trim_after_a_group_that_replaced_an_empty_segment() {
    let disk = FaultyDisk::new(1);
    let mut journal = open(&disk).expect("a new journal");
    let group: Vec<_> = (0..5).map(|number| record(number, 1500)).collect();
    commit(&mut journal, 1, &group);
    commit(&mut journal, 1, &[record(5, 100)]);
    journal.trim(Position::new(1), 1).expect("a trim");
    drop(journal);
    let journal = open(&disk).expect("the same journal");
    assert_eq!((journal.first().get(), journal.tail().get()), (1, 6));
    assert_eq!(read_all(&journal, Position::new(1), 4096).len(), 5);
}

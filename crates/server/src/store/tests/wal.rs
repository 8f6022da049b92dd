//! When the WAL is moved into the file.

use capataz_journal::Position;

use super::driver::{Driver, JOURNAL, TestStore, spec};
use crate::store::{Options, Store};

/// The file alone, as it would be if the WAL were lost.
fn position_without_wal(store: &TestStore) -> Position {
    let other = tempfile::tempdir().unwrap();
    let (from, to) = (store.dir.path(), other.path());
    std::fs::copy(from.join("store.db"), to.join("store.db")).unwrap();
    let opened = Store::open(to, JOURNAL, Options::default()).unwrap();
    opened.position
}

#[test]
fn a_wal_is_emptied_whenever_it_has_grown_by_its_limit() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let mut submit = |store: &mut TestStore| {
        driver.submit_many(&spec("g"), 100, |_| {});
        store.project(driver.cut(true));
        driver.position
    };
    let first = submit(&mut store);
    assert!(position_without_wal(&store) < first, "it is in the WAL");
    store.projector.wal_limit = 1;
    let second = submit(&mut store);
    assert_eq!(position_without_wal(&store), second);
    // It begins anew, smaller than it was.
    let third = submit(&mut store);
    assert_eq!(position_without_wal(&store), third);
}

//! What is refused at the door, and the way around it.

use capataz_journal::{JournalId, Position};
use rusqlite::Connection;

use super::driver::{Driver, JOURNAL, TestStore, spec};
use crate::store::{
    OpenError, Options, PositionError, ProjectError, Store, check_position, set_aside,
};

fn open(store: &TestStore, journal: JournalId) -> Result<Position, OpenError> {
    Store::open(store.dir.path(), journal, Options::default()).map(|opened| opened.position)
}

fn edit(store: &TestStore, sql: &str) {
    Connection::open(store.dir.path().join("store.db"))
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

#[test]
fn a_store_of_another_journal_is_refused() {
    let store = TestStore::new();
    let other = JournalId::from_bytes([8; 16]);
    let error = open(&store, other).unwrap_err();
    assert!(!error.is_damage());
    match error {
        OpenError::OtherJournal { expected, got, .. } => {
            assert_eq!((expected, got), (other, JOURNAL))
        }
        error => panic!("{error}"),
    }
}

#[test]
fn an_unknown_format_is_refused() {
    let store = TestStore::new();
    edit(&store, "UPDATE meta SET format = 99");
    let error = open(&store, JOURNAL).unwrap_err();
    assert!(
        matches!(error, OpenError::Format { got: 99, .. }),
        "{error}"
    );
    assert!(!error.is_damage());
}

#[test]
fn a_foreign_database_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE mine (x)")
        .unwrap();
    let error = Store::open(dir.path(), JOURNAL, Options::default()).unwrap_err();
    assert!(
        matches!(error, OpenError::Foreign { got: 0, .. }),
        "{error}"
    );
}

#[test]
fn a_moved_position_is_damage() {
    let store = TestStore::new();
    edit(&store, "UPDATE meta SET position = 12");
    let error = open(&store, JOURNAL).unwrap_err();
    assert!(matches!(error, OpenError::NoPosition { .. }), "{error}");
    assert!(error.is_damage());
}

#[test]
fn what_is_no_database_is_damage_and_can_be_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    for n in 1..=2 {
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        let error = Store::open(dir.path(), JOURNAL, Options::default()).unwrap_err();
        assert!(error.is_damage(), "{error}");
        let aside = set_aside(dir.path()).unwrap();
        assert_eq!(aside, dir.path().join(format!("store.db.damaged-{n}")));
        assert_eq!(
            std::fs::read(aside).unwrap(),
            vec![b'x'; 8192],
            "nothing is deleted"
        );
        assert!(!path.exists());
    }
    let opened = Store::open(dir.path(), JOURNAL, Options::default()).unwrap();
    assert_eq!(opened.position, Position::ZERO);
}

#[test]
fn the_journal_must_have_what_comes_after_the_store() {
    let at = Position::new;
    assert_eq!(check_position(at(5), at(0), at(5)), Ok(()));
    assert_eq!(check_position(at(5), at(5), at(9)), Ok(()));
    let (store, tail, first) = (at(5), at(4), at(6));
    assert_eq!(
        check_position(store, at(0), tail),
        Err(PositionError::BeyondTail { store, tail })
    );
    assert_eq!(
        check_position(store, first, at(9)),
        Err(PositionError::BelowTrim { store, first })
    );
}

#[test]
fn of_two_projectors_the_slower_one_is_refused() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let opened = Store::open(store.dir.path(), JOURNAL, Options::default()).unwrap();
    let mut second = opened.store.projector().unwrap();
    driver.submit(&spec("g"), |_| {});
    let batch = driver.cut(true);
    store.project(batch.clone());
    let error = second.project([batch]).unwrap_err();
    assert!(
        matches!(error, ProjectError::OtherWriter { found: Some(_), .. }),
        "{error}"
    );
    let (_, _, state) = store.reopen();
    assert_eq!(state.hash(), driver.state.hash());
}

//! Stores that are loaded in many pieces.

use capataz_engine::{Command, State, TaskId};

use super::driver::{Driver, JOURNAL, TestStore, spec};
use crate::store::{Options, Store};

/// Many live tasks, and gaps of all sizes between them where others have ended.
fn large() -> (Driver, TestStore) {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.submit(&spec("g"), |task| task.dedup = Some((1, 2)));
    for round in 0..6 {
        let gap = 200 << round;
        let first = driver.submit_many(&spec("g"), gap, |_| {});
        driver.submit_many(&spec("g"), 6_000, |_| {});
        for id in first.0..first.0 + gap as u64 {
            let (key, note) = (TaskId(id).key(), String::new());
            driver.run(Command::Cancel { key, note });
        }
        store.project(driver.cut(true));
    }
    driver.join("w", 100, &["g"]);
    driver.dispatch();
    store.project(driver.cut(true));
    (driver, store)
}

#[test]
fn what_is_read_in_pieces_is_the_state_that_was_stored() {
    let (driver, store) = large();
    let (_, position, state) = store.reopen();
    assert_eq!(position, driver.position);
    assert_eq!(state.hash(), driver.state.hash());
}

#[test]
fn damage_in_any_piece_ends_the_load() {
    let (_, store) = large();
    let connection = &store.projector.connection;
    let load = || {
        let opened = Store::open(store.dir.path(), JOURNAL, Options::default()).unwrap();
        opened.store.load_entries(&mut State::default())
    };
    let ids = "SELECT id FROM entry_task ORDER BY id";
    for place in [0, 5_000, 20_000, 36_000] {
        let find = format!("{ids} LIMIT 1 OFFSET {place}");
        let id: i64 = connection.query_row(&find, [], |row| row.get(0)).unwrap();
        let change = "UPDATE entry_task SET crc = crc + ?2 WHERE id = ?1";
        connection.execute(change, [id, 1]).unwrap();
        let error = load().unwrap_err();
        assert!(error.is_damage(), "{error}");
        connection.execute(change, [id, -1]).unwrap();
    }
    load().unwrap();
}

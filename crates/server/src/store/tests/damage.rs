//! Flipped bits and full disks.

use capataz_engine::{Command, Outcome, State};
use capataz_journal::Position;

use super::driver::{Driver, JOURNAL, TestStore, spec};
use crate::store::{BodyError, Options, ProjectError, Store, TaskFilter};

const PAGE: usize = 4096;

/// A namespace with something of every kind in it, all of it in the file and none in the WAL.
fn small() -> (Driver, TestStore) {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let mut tagged = spec("g");
    tagged.tags = vec!["t".into()];
    driver.submit_many(&tagged, 60, |_| {});
    driver.submit(&spec("g"), |task| task.dedup = Some((1, 2)));
    driver.submit(&spec("g"), |task| task.count = Some(9));
    driver.join("w", 8, &["g"]);
    for lease in driver.dispatch() {
        driver.report(lease, Outcome::Succeeded);
    }
    driver.dispatch();
    store.project(driver.cut(true));
    store.projector.checkpoint().unwrap();
    let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
    store
        .projector
        .connection
        .query_row(truncate, [], |_| Ok(()))
        .unwrap();
    (driver, store)
}

/// What a server would make of the store: refuse, or serve from it.
fn look(dir: &std::path::Path, live: &[capataz_engine::TaskId]) -> Result<Look, String> {
    let opened = Store::open(dir, JOURNAL, Options::default()).map_err(|e| e.to_string())?;
    let mut state = State::default();
    opened
        .store
        .load_entries(&mut state)
        .map_err(|e| e.to_string())?;
    let reader = opened.store.reader();
    let bodies = reader.bodies(live).map_err(|e| e.to_string())?;
    let filter = TaskFilter {
        limit: 1000,
        ..TaskFilter::default()
    };
    let items = reader.list(&filter).map_err(|e| e.to_string())?.items;
    let items = items.iter().map(|item| format!("{item:?}")).collect();
    Ok(Look {
        position: opened.position,
        hash: state.hash(),
        bodies,
        items,
    })
}

#[derive(PartialEq, Debug)]
struct Look {
    position: Position,
    hash: u64,
    bodies: Vec<(capataz_engine::TaskId, bytes::Bytes)>,
    items: Vec<String>,
}

/// Damage in any page is refused, or the state, the position and the bodies are right all the same.
/// Only lists may differ then: a row that is there is checked, the name of a group or worker is not,
/// and one that is missing is noticed by comparing rows and indexes.
#[test]
fn a_flipped_bit_never_changes_state_position_or_bodies() {
    let (driver, store) = small();
    let live: Vec<_> = (9..=60).map(capataz_engine::TaskId).collect();
    let dir = store.dir;
    drop((store.projector, store.reader));
    let path = dir.path().join("store.db");
    let whole = std::fs::read(&path).unwrap();
    let right = look(dir.path(), &live).unwrap();
    assert_eq!(right.hash, driver.state.hash());
    let (mut refused, mut right_all, mut lists, mut missing) = (0, 0, 0, 0);
    for page in 0..whole.len() / PAGE {
        // Header, cell pointers, and bytes all over the page.
        for place in (0..100).step_by(7).chain((100..PAGE).step_by(331)) {
            let mut damaged = whole.clone();
            damaged[page * PAGE + place] ^= 0x10;
            for companion in ["store.db-wal", "store.db-shm"] {
                let _ = std::fs::remove_file(dir.path().join(companion));
            }
            std::fs::write(&path, &damaged).unwrap();
            match look(dir.path(), &live) {
                Err(_) => refused += 1,
                Ok(got) => {
                    let at = format!("page {page}, byte {place}");
                    assert_eq!(
                        (got.position, got.hash),
                        (right.position, right.hash),
                        "{at}"
                    );
                    assert_eq!(got.bodies, right.bodies, "{at}");
                    match got.items == right.items {
                        true => right_all += 1,
                        false => lists += 1,
                    }
                    if got.items.len() != right.items.len() {
                        let opened = Store::open(dir.path(), JOURNAL, Options::default());
                        assert!(opened.unwrap().store.check_whole().is_err(), "{at}");
                        missing += 1;
                    }
                }
            }
        }
    }
    println!(
        "{refused} refused, {right_all} without effect, {lists} seen only in lists, {missing} of them missing a task"
    );
    assert!(refused > 0);
}

#[test]
fn a_lost_entry_is_noticed_although_all_others_are_whole() {
    let (_, store) = small();
    let connection = &store.projector.connection;
    connection
        .execute_batch("DELETE FROM entry_task WHERE id = 40")
        .unwrap();
    let opened = Store::open(store.dir.path(), JOURNAL, Options::default()).unwrap();
    let error = opened
        .store
        .load_entries(&mut State::default())
        .unwrap_err();
    assert!(
        error.is_damage() && error.to_string().contains("do not belong together"),
        "{error}"
    );
}

#[test]
fn a_checkpoint_refuses_what_it_does_not_read_back() {
    for sql in [
        "UPDATE entry_task SET v = x'00' WHERE id = 40",
        "DELETE FROM entry WHERE k = (SELECT max(k) FROM entry)",
        "DELETE FROM body WHERE id = 40",
        "UPDATE body SET spec = x'00' WHERE id = 40",
    ] {
        let (mut driver, mut store) = small();
        store.projector.connection.execute_batch(sql).unwrap();
        driver.submit(&spec("g"), |_| {});
        store.project(driver.cut(true));
        let error = store.projector.checkpoint().unwrap_err();
        assert!(
            matches!(error, ProjectError::Unverified { .. }),
            "{sql}: {error}"
        );
    }
}

#[test]
fn a_damaged_body_is_refused() {
    let (_, store) = small();
    let sql = "UPDATE body SET spec = zeroblob(3) WHERE id = 3";
    store.projector.connection.execute_batch(sql).unwrap();
    let error = store
        .reader
        .bodies(&[capataz_engine::TaskId(3)])
        .unwrap_err();
    assert!(matches!(error, BodyError::Damaged { .. }), "{error}");
}

#[test]
fn a_full_disk_keeps_everything_for_later() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.submit(&spec("g"), |_| {});
    store.project(driver.cut(true));
    let before = store.projector.position();
    let limit = |store: &TestStore, pages: i64| {
        let set = format!("PRAGMA max_page_count = {pages}");
        store
            .projector
            .connection
            .query_row(&set, [], |_| Ok(()))
            .unwrap();
    };
    limit(&store, 60);
    driver.submit_many(&spec("g"), 5_000, |_| {});
    driver.run(Command::Cancel {
        key: capataz_engine::TaskId(7).key(),
        note: String::new(),
    });
    let full = store.projector.project([driver.cut(true)]).unwrap_err();
    assert!(matches!(full, ProjectError::NoSpace { .. }), "{full}");
    assert_eq!(store.projector.position(), before);
    assert_eq!(store.projector.pending_bytes(), 1);
    driver.submit(&spec("g"), |_| {});
    let full = store.projector.project([driver.cut(true)]).unwrap_err();
    assert!(matches!(full, ProjectError::NoSpace { .. }), "{full}");
    assert!(
        store
            .reader
            .task(capataz_engine::TaskId(2).key())
            .unwrap()
            .is_none()
    );
    limit(&store, 1 << 20);
    assert_eq!(store.projector.project([]).unwrap(), driver.position);
    let (store, position, state) = store.reopen();
    assert_eq!(
        (position, state.hash()),
        (driver.position, driver.state.hash())
    );
    assert_eq!(store.reader.total_counts().unwrap().live(), 5_001);
}

//! From the engine's events to the store and back.

use capataz_engine::{Outcome, Phase, Reason, State};

use super::driver::{Driver, TestStore, spec};
use crate::store::{TaskFilter, Verdict};

#[test]
fn a_new_store_is_empty_and_at_position_zero() {
    let (_, position, state) = TestStore::new().reopen();
    assert_eq!(position.get(), 0);
    assert_eq!(state.hash(), State::default().hash());
}

#[test]
fn a_task_is_there_from_submit_to_end() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let mut wanted = spec("etl");
    wanted.tags = vec!["nightly".into()];
    wanted.dedup_key = Some("k".into());
    let id = driver.submit(&wanted, |_| {});
    let submitted_at = driver.now;
    store.project(driver.cut(true));

    let task = store.reader.task(id.key()).unwrap().unwrap();
    assert_eq!(
        (task.phase, task.attempt, task.round),
        (Phase::Queued, 0, 1)
    );
    assert_eq!(task.queued_at, Some(submitted_at));
    assert_eq!(
        (task.tags, task.dedup_key),
        (wanted.tags.clone(), wanted.dedup_key.clone())
    );

    driver.join("w", 1, &["etl"]);
    let leases = driver.dispatch();
    store.project(driver.cut(true));
    let task = store.reader.task(id.key()).unwrap().unwrap();
    assert_eq!((task.phase, task.attempt), (Phase::Running, 1));
    assert_eq!((&task.worker[..], &task.pod[..]), ("w", "pod-of-w"));

    driver.report(leases[0], Outcome::Succeeded);
    store.project(driver.cut(true));
    let task = store.reader.task(id.key()).unwrap().unwrap();
    assert_eq!((task.phase, task.reason), (Phase::Succeeded, Reason::None));
    assert_eq!(task.finished_at, Some(driver.now));
    assert!(task.started_at >= task.allocated_at);
    assert_eq!(task.result, format!("output of {id}"));
    let attempts = store.reader.attempts(id.key()).unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].verdict, Some(Verdict::Succeeded));

    let (store, position, state) = store.reopen();
    assert_eq!(position, driver.position);
    assert_eq!(state.hash(), driver.state.hash());
    let page = store
        .reader
        .list(&TaskFilter {
            limit: 10,
            ..TaskFilter::default()
        })
        .unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.cursor, None);
    assert_eq!(
        store.reader.bodies(&[id]).unwrap()[0].1,
        prost::Message::encode_to_vec(&wanted)
    );
}

#[test]
fn batches_without_entries_wait_for_one_with() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let id = driver.submit(&spec("g"), |_| {});
    let first = driver.cut(false);
    assert_eq!(store.projector.project([first]).unwrap().get(), 0);
    assert_eq!(store.reader.task(id.key()).unwrap(), None);
    driver.submit(&spec("g"), |_| {});
    assert_eq!(
        store.projector.project([driver.cut(true)]).unwrap().get(),
        2
    );
    assert!(store.reader.task(id.key()).unwrap().is_some());
    let (_, _, state) = store.reopen();
    assert_eq!(state.hash(), driver.state.hash());
}

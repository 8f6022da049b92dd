//! What goes, and what stays.

use std::time::Duration;

use capataz_api::proto::{LogStream, TaskSpec};
use capataz_engine::{Command, Outcome, Span, TaskId};

use super::driver::{Driver, TestStore, spec};
use crate::store::{BodyError, Keep, LogStore, Selector, TaskFilter};

const DAY: Duration = Duration::from_secs(24 * 3600);
const ALL: u64 = u64::MAX;

fn retain(driver: &Driver, store: &mut TestStore, age: Duration, most: u64) -> usize {
    let (mut steps, max_age) = (1, age);
    let keep = Keep {
        max_age,
        max_tasks: most,
        max_runs: ALL,
    };
    while !store.projector.retain(driver.now, &keep).unwrap() {
        steps += 1;
    }
    steps
}

fn ids(store: &TestStore) -> Vec<u64> {
    let page = store
        .reader
        .list(&TaskFilter {
            limit: 1000,
            ..TaskFilter::default()
        })
        .unwrap();
    page.items
        .iter()
        .rev()
        .map(|task| task.key.task().0)
        .collect()
}

/// Ten tasks that have ended and one that waits.
fn eleven() -> (Driver, TestStore) {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let waits = driver.submit(&spec("idle"), |_| {});
    assert_eq!(waits, TaskId(1));
    let tagged = TaskSpec {
        tags: vec!["t".into()],
        ..spec("g")
    };
    driver.submit_many(&tagged, 10, |_| {});
    driver.join("w", 10, &["g"]);
    for lease in driver.dispatch() {
        driver.report(lease, Outcome::Succeeded);
    }
    store.project(driver.cut(true));
    (driver, store)
}

#[test]
fn nothing_goes_before_its_time() {
    let (driver, mut store) = eleven();
    retain(&driver, &mut store, DAY, 10);
    assert_eq!(ids(&store).len(), 11);
}

#[test]
fn finished_tasks_go_by_age_and_live_ones_never() {
    let (mut driver, mut store) = eleven();
    driver.now = driver.now + Span::secs(2 * 24 * 3600);
    let young = driver.submit(&spec("g"), |_| {});
    driver.run(Command::Cancel {
        key: young.key(),
        note: String::new(),
    });
    store.project(driver.cut(true));
    retain(&driver, &mut store, DAY, ALL);
    assert_eq!(ids(&store), [1, young.0]);
    let gone = store.reader.bodies(&[TaskId(5)]);
    assert!(matches!(gone, Err(BodyError::Missing { task: TaskId(5) })));
    assert_eq!(store.reader.tag_counts("t").unwrap().finished(), 0);
    assert!(store.reader.bodies(&[TaskId(1)]).is_ok());
    let (_, _, state) = store.reopen();
    assert_eq!(state.hash(), driver.state.hash());
}

#[test]
fn the_oldest_finished_go_when_there_are_too_many() {
    let (driver, mut store) = eleven();
    retain(&driver, &mut store, DAY, 3);
    assert_eq!(ids(&store), [1, 9, 10, 11]);
    assert_eq!(store.reader.tag_counts("t").unwrap().finished(), 3);
}

#[test]
fn an_array_goes_with_its_elements_in_steps() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let array = TaskSpec {
        count: Some(12_000),
        ..spec("g")
    };
    let id = driver.submit(&array, |_| {});
    driver.join("w", 12_000, &["g"]);
    for lease in driver.dispatch() {
        driver.report(lease, Outcome::Succeeded);
    }
    store.project(driver.cut(true));
    let steps = retain(&driver, &mut store, DAY, 0);
    assert!(steps > 2, "{steps} steps");
    assert!(store.reader.task(id.key()).unwrap().is_none());
    assert!(store.reader.task(id.element(7)).unwrap().is_none());
    let left: i64 = store
        .projector
        .connection
        .query_row("SELECT count(*) FROM element", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
    assert_eq!(store.reader.total_counts().unwrap().finished(), 0);
}

#[test]
fn logs_and_tags_go_with_their_tasks() {
    let (driver, mut store) = eleven();
    let logs = LogStore::open(store.dir.path()).unwrap();
    for id in [1, 2] {
        logs.append(&[(TaskId(id).key(), 1, LogStream::Stdout, 0, b"hello")])
            .unwrap();
    }
    retain(&driver, &mut store, DAY, 0);
    assert_eq!(logs.read(TaskId(2).key(), 1).unwrap().stdout, b"");
    assert_eq!(logs.read(TaskId(1).key(), 1).unwrap().stdout, b"hello");
    let live = store
        .reader
        .live_keys(Selector::Tag("t"), TaskId(0).key(), 10)
        .unwrap();
    assert!(live.keys.is_empty());
    // The tag's number is gone; the name begins anew.
    let mut driver = driver;
    let tagged = TaskSpec {
        tags: vec!["t".into()],
        ..spec("g")
    };
    let id = driver.submit(&tagged, |_| {});
    store.project(driver.cut(true));
    let live = store
        .reader
        .live_keys(Selector::Tag("t"), TaskId(0).key(), 10)
        .unwrap();
    assert_eq!(live.keys, [id.key()]);
}

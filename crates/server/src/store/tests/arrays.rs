//! Arrays: one row, and rows only for what was touched.

use capataz_api::proto::TaskSpec;
use capataz_engine::{Command, MAX_ELEMENTS, Outcome, Phase, Reason, TaskId};

use super::driver::{Driver, TestStore, spec};
use crate::store::TaskFilter;

fn array(count: u32) -> TaskSpec {
    TaskSpec {
        count: Some(count),
        tags: vec!["grid".into()],
        ..spec("g")
    }
}

fn phases(store: &TestStore, id: TaskId, states: &[Phase], limit: usize) -> Vec<(u32, Phase)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .reader
            .elements(id, states, after, limit)
            .unwrap()
            .unwrap();
        found.extend(page.items.iter().map(|e| (e.key.index().unwrap(), e.phase)));
        match page.cursor {
            Some(cursor) => after = Some(cursor),
            None => return found,
        }
    }
}

#[test]
fn an_array_of_fifty_million_costs_one_row() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let id = driver.submit(&array(MAX_ELEMENTS), |_| {});
    store.project(driver.cut(true));
    let task = store.reader.task(id.key()).unwrap().unwrap();
    assert_eq!(task.elements.unwrap().of(Phase::Queued), MAX_ELEMENTS);
    let last = store
        .reader
        .task(id.element(MAX_ELEMENTS - 1))
        .unwrap()
        .unwrap();
    assert_eq!(
        (last.phase, last.queued_at),
        (Phase::Queued, task.queued_at)
    );
    let queued = store.reader.tag_counts("grid").unwrap().of(Phase::Queued);
    assert_eq!(queued, u64::from(MAX_ELEMENTS));
    let page = store.reader.elements(id, &[], None, 3).unwrap().unwrap();
    assert_eq!(page.items.len(), 3);
    assert!(store.projector.disk_bytes().unwrap() < 1 << 20);
}

#[test]
fn an_array_runs_when_touched_and_ends_with_its_last_element() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let id = driver.submit(&array(5), |_| {});
    driver.join("w", 2, &["g"]);
    let leases = driver.dispatch();
    store.project(driver.cut(true));
    let task = store.reader.task(id.key()).unwrap().unwrap();
    assert_eq!(task.phase, Phase::Running);
    assert!(task.allocated_at.is_some());
    let queued = [(2, Phase::Queued), (3, Phase::Queued), (4, Phase::Queued)];
    for limit in 1..6 {
        assert_eq!(phases(&store, id, &[Phase::Queued], limit), queued);
        assert_eq!(phases(&store, id, &[], limit).len(), 5);
    }

    driver.report(
        leases[0],
        Outcome::Failed {
            reason: Reason::Error,
            fatal: false,
        },
    );
    driver.report(leases[1], Outcome::Succeeded);
    while let Some(lease) = driver.dispatch().first().copied() {
        driver.report(lease, Outcome::Succeeded);
    }
    for lease in driver.leases() {
        driver.report(lease, Outcome::Succeeded);
    }
    store.project(driver.cut(true));
    let task = store.reader.task(id.key()).unwrap().unwrap();
    assert_eq!((task.phase, task.reason), (Phase::Failed, Reason::Error));
    assert_eq!(task.finished_at, Some(driver.now));
    assert_eq!(
        phases(&store, id, &[Phase::Failed], 10),
        [(0, Phase::Failed)]
    );
    let items = store
        .reader
        .list(&TaskFilter {
            limit: 9,
            ..TaskFilter::default()
        })
        .unwrap()
        .items;
    assert_eq!(items.len(), 1, "elements are no items of their own");
}

#[test]
fn cancelling_an_array_ends_touched_and_untouched_elements() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let id = driver.submit(&array(1000), |_| {});
    driver.join("w", 2, &["g"]);
    let leases = driver.dispatch();
    store.project(driver.cut(true));
    driver.report(leases[0], Outcome::Succeeded);
    store.project(driver.cut(true));
    driver.run(Command::Cancel {
        key: id.key(),
        note: "enough".into(),
    });
    store.project(driver.cut(true));
    let task = store.reader.task(id.key()).unwrap().unwrap();
    let counts = task.elements.unwrap();
    assert_eq!(
        (counts.of(Phase::Succeeded), counts.of(Phase::Cancelled)),
        (1, 999)
    );
    assert_eq!((task.phase, &task.note[..]), (Phase::Cancelled, "enough"));
    let untouched = store.reader.task(id.element(999)).unwrap().unwrap();
    assert_eq!(
        (untouched.phase, untouched.finished_at),
        (Phase::Cancelled, Some(driver.now))
    );
    assert_eq!(store.reader.group_counts("g").unwrap().live(), 0);
}

#[test]
fn only_arrays_have_elements() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let id = driver.submit(&spec("g"), |_| {});
    store.project(driver.cut(true));
    assert!(store.reader.elements(id, &[], None, 10).unwrap().is_none());
    assert!(store.reader.task(id.element(0)).unwrap().is_none());
    assert!(
        store
            .reader
            .elements(TaskId(99), &[], None, 10)
            .unwrap()
            .is_none()
    );
}

//! Lists, filters, counts, and what is still alive.

use capataz_api::proto::TaskSpec;
use capataz_engine::{Command, Key, Outcome, Phase, Reason, TaskId};

use super::driver::{Driver, TestStore, spec};
use crate::store::{Cursor, LiveKeys, Selector, TaskFilter};

fn tagged(group: &str, tag: &str) -> TaskSpec {
    TaskSpec {
        tags: vec![tag.into()],
        ..spec(group)
    }
}

/// 30 tasks in three groups, every second with the tag `even`; those of group a run to their end,
/// every third of them badly.
fn thirty() -> (Driver, TestStore) {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    for n in 0..30 {
        let group = ["a", "b", "c"][n % 3];
        let tag = if n % 2 == 0 { "even" } else { "odd" };
        driver.submit(&tagged(group, tag), |_| {});
    }
    store.project(driver.cut(true));
    driver.join("w", 10, &["a"]);
    for (n, lease) in driver.dispatch().into_iter().enumerate() {
        let outcome = match n % 3 {
            0 => Outcome::Failed {
                reason: Reason::Error,
                fatal: false,
            },
            _ => Outcome::Succeeded,
        };
        driver.report(lease, outcome);
    }
    store.project(driver.cut(true));
    (driver, store)
}

fn every() -> TaskFilter {
    TaskFilter {
        limit: 100,
        ..TaskFilter::default()
    }
}

/// All pages of a list, with pages of `limit`.
fn pages(store: &TestStore, filter: TaskFilter, limit: usize) -> Vec<u64> {
    let mut filter = TaskFilter { limit, ..filter };
    let mut ids = Vec::new();
    loop {
        let page = store.reader.list(&filter).unwrap();
        assert!(page.items.len() <= limit);
        ids.extend(page.items.iter().map(|task| task.key.task().0));
        match page.cursor {
            // As a client does it, through its text.
            Some(cursor) => filter.after = Some(cursor.to_string().parse().unwrap()),
            None => return ids,
        }
    }
}

#[test]
fn pages_of_any_size_are_the_same_list_newest_first() {
    let (_, store) = thirty();
    let failed = TaskFilter {
        states: vec![Phase::Failed, Phase::Queued],
        ..every()
    };
    let even_b = TaskFilter {
        group: Some("b".into()),
        tag: Some("even".into()),
        ..every()
    };
    let some = TaskFilter {
        ids: vec![TaskId(3), TaskId(9), TaskId(3), TaskId(99)],
        ..every()
    };
    for (filter, count) in [(every(), 30), (failed, 24), (even_b, 5), (some, 2)] {
        let whole = pages(&store, filter.clone(), 100);
        assert_eq!(whole.len(), count, "{filter:?}");
        assert!(whole.is_sorted_by(|a, b| a > b), "{filter:?}: {whole:?}");
        for limit in 1..7 {
            assert_eq!(
                pages(&store, filter.clone(), limit),
                whole,
                "{filter:?} by {limit}"
            );
        }
    }
}

#[test]
fn every_part_of_a_filter_must_hold() {
    let (_, store) = thirty();
    for group in [None, Some("a"), Some("b"), Some("nobody")] {
        for tag in [None, Some("even"), Some("never")] {
            for states in [
                vec![],
                vec![Phase::Succeeded],
                vec![Phase::Failed, Phase::Queued],
            ] {
                let filter = TaskFilter {
                    group: group.map(str::to_owned),
                    tag: tag.map(str::to_owned),
                    states: states.clone(),
                    ..every()
                };
                let all = store.reader.list(&every()).unwrap().items;
                let fits = all.into_iter().filter(|task| {
                    group.is_none_or(|group| task.group == group)
                        && tag.is_none_or(|tag| task.tags.iter().any(|t| t == tag))
                        && (states.is_empty() || states.contains(&task.phase))
                });
                let wanted: Vec<u64> = fits.map(|task| task.key.task().0).collect();
                assert_eq!(
                    pages(&store, filter, 4),
                    wanted,
                    "{group:?} {tag:?} {states:?}"
                );
            }
        }
    }
}

#[test]
fn a_foreign_cursor_is_refused() {
    for text in ["", "k", "x12", "12", "k-1", "kffffffffffffffff", "k1 "] {
        assert!(text.parse::<Cursor>().is_err(), "{text:?}");
    }
}

#[test]
fn counts_say_how_far_it_is() {
    let (_, store) = thirty();
    let a = store.reader.group_counts("a").unwrap();
    assert_eq!(
        (a.of(Phase::Succeeded), a.of(Phase::Failed), a.live()),
        (6, 4, 0)
    );
    let even = store.reader.tag_counts("even").unwrap();
    assert_eq!(even.live() + even.finished(), 15);
    assert_eq!(even.of(Phase::Queued), 10);
    assert_eq!(store.reader.tag_counts("never").unwrap().live(), 0);
    assert_eq!(store.reader.total_counts().unwrap().finished(), 10);
}

#[test]
fn live_tasks_are_found_from_any_point_on() {
    let (mut driver, mut store) = thirty();
    let from = TaskId(0).key();
    let none = store
        .reader
        .live_keys(Selector::Group("a"), from, 10)
        .unwrap();
    assert_eq!(none, LiveKeys::default());
    let b = store
        .reader
        .live_keys(Selector::Group("b"), from, 3)
        .unwrap();
    assert_eq!(b.keys, [2, 5, 8].map(|id| TaskId(id).key()));
    let more = store
        .reader
        .live_keys(Selector::Group("b"), b.next.unwrap(), 100)
        .unwrap();
    assert_eq!((more.keys.len(), more.next), (7, None));
    let odd = store
        .reader
        .live_keys(Selector::Tag("odd"), from, 1)
        .unwrap();
    assert_eq!(odd.keys, [TaskId(2).key()]);
    for id in (1..=30).map(TaskId) {
        // Those that have ended refuse it.
        let _ = driver.try_run(Command::Cancel {
            key: id.key(),
            note: String::new(),
        });
    }
    store.project(driver.cut(true));
    for selector in [
        Selector::Group("b"),
        Selector::Tag("odd"),
        Selector::Tag("even"),
    ] {
        let left = store.reader.live_keys(selector, from, 10).unwrap();
        assert_eq!(left, LiveKeys::default(), "{selector:?}");
    }
    let states = store
        .reader
        .states(&[TaskId(2).key(), Key::from_raw(1 << 40)])
        .unwrap();
    assert_eq!(states, [Some((Phase::Cancelled, Reason::Requested)), None]);
}

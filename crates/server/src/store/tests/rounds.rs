//! Several attempts, and several rounds.

use capataz_api::proto::TaskSpec;
use capataz_engine::{Command, Outcome, Phase, Policy, Reason, Revival, Span};

use super::driver::{Driver, TestStore, spec};
use crate::store::Verdict;

#[test]
fn attempts_keep_their_number_worker_and_end_over_rounds() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let id = driver.submit(
        &TaskSpec {
            max_attempts: Some(2),
            ..spec("g")
        },
        |_| {},
    );
    driver.join("w", 1, &["g"]);
    let failed = Outcome::Failed {
        reason: Reason::Error,
        fatal: false,
    };
    for round in 1..=3 {
        for _ in 0..2 {
            let lease = driver.dispatch()[0];
            store.project(driver.cut(true));
            driver.report(lease, failed.clone());
            store.project(driver.cut(true));
            driver.now = driver.now + Span::secs(300);
            driver.run(Command::Tick);
        }
        store.project(driver.cut(true));
        let task = store.reader.task(id.key()).unwrap().unwrap();
        assert_eq!(
            (task.phase, task.round, task.attempt),
            (Phase::Failed, round, 2 * round)
        );
        driver.run(Command::Retry(Revival {
            key: id.key(),
            group: task.group,
            policy: Policy {
                max_attempts: 2,
                ..Policy::default()
            },
            priority: task.priority,
            affinity: Vec::new(),
            submitted_at: task.submitted_at,
            attempts: task.attempt,
            rounds: task.round,
            dedup: None,
        }));
    }
    store.project(driver.cut(true));
    let task = store.reader.task(id.key()).unwrap().unwrap();
    assert_eq!(
        (task.phase, task.round, task.finished_at),
        (Phase::Queued, 4, None)
    );
    let attempts = store.reader.attempts(id.key()).unwrap();
    let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.attempt).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    for attempt in attempts {
        assert_eq!(attempt.verdict, Some(Verdict::Failed));
        assert_eq!(attempt.reason, Some(Reason::Error));
        assert_eq!((&attempt.worker[..], &attempt.host[..]), ("w", "host-of-w"));
        assert_eq!(attempt.usage.unwrap().peak_memory, 4096);
        assert!(attempt.allocated_at <= attempt.started_at);
        assert!(attempt.started_at <= attempt.ended_at);
        assert!(!attempt.result.is_empty());
    }
}

#[test]
fn a_stopped_attempt_ends_when_its_sandbox_does() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let id = driver.submit(&spec("g"), |_| {});
    driver.join("w", 1, &["g"]);
    let lease = driver.dispatch()[0];
    driver.run(Command::Cancel {
        key: id.key(),
        note: "no".into(),
    });
    store.project(driver.cut(true));
    let cancelled_at = driver.now;
    let task = store.reader.task(id.key()).unwrap().unwrap();
    assert_eq!(
        (task.phase, task.finished_at),
        (Phase::Cancelled, Some(cancelled_at))
    );
    assert_eq!(store.reader.attempts(id.key()).unwrap()[0].ended_at, None);
    driver.report(lease, Outcome::Released);
    store.project(driver.cut(true));
    let attempt = &store.reader.attempts(id.key()).unwrap()[0];
    assert_eq!(
        (attempt.verdict, attempt.ended_at),
        (Some(Verdict::Stopped), Some(driver.now))
    );
    let task = store.reader.task(id.key()).unwrap().unwrap();
    assert_eq!(task.finished_at, Some(cancelled_at));
}

#[test]
fn a_lost_attempt_is_told_from_a_failed_one() {
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    let id = driver.submit(&spec("g"), |_| {});
    let worker = driver.join("w", 1, &["g"]);
    driver.dispatch();
    driver.run(Command::LoseWorker { worker });
    store.project(driver.cut(true));
    let task = store.reader.task(id.key()).unwrap().unwrap();
    assert_eq!(
        (task.phase, task.reason),
        (Phase::Queued, Reason::WorkerLost)
    );
    assert_eq!(task.queued_at, Some(driver.now));
    let attempt = &store.reader.attempts(id.key()).unwrap()[0];
    assert_eq!(
        (attempt.verdict, attempt.started_at),
        (Some(Verdict::Lost), None)
    );
}

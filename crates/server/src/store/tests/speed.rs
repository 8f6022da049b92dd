//! How fast batches are projected. Run it in release:
//! `cargo test --release -p capataz-server store::tests::speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use capataz_api::proto::TaskSpec;
use capataz_engine::{NodeKind, On, Outcome};

use super::driver::{Driver, TestStore, spec};
use super::run_driver::{node, version};
use crate::store::{Batch, Keep};

const TASKS: usize = 200_000;
const PER_BATCH: usize = 1_000;
/// Batches that one call of the projector gets.
const BATCHES: usize = 20;

fn payload(tags: &[&str]) -> TaskSpec {
    TaskSpec {
        payload: Some(vec![42; 100].into()),
        tags: tags.iter().map(|tag| tag.to_string()).collect(),
        ..spec("bench")
    }
}

fn submit(driver: &mut Driver, spec: &TaskSpec) -> Vec<Batch> {
    let batch = |_| {
        driver.submit_many(spec, PER_BATCH, |_| {});
        driver.cut(true)
    };
    (0..TASKS / PER_BATCH).map(batch).collect()
}

fn lease(driver: &mut Driver) -> Vec<Batch> {
    let mut batches = Vec::new();
    while driver.state.can_dispatch() {
        for _ in 0..PER_BATCH {
            driver.run(capataz_engine::Command::Dispatch);
        }
        batches.push(driver.cut(true));
    }
    batches
}

fn end(driver: &mut Driver) -> Vec<Batch> {
    let mut batches = Vec::new();
    for chunk in driver.leases().chunks(PER_BATCH) {
        for lease in chunk {
            driver.report(*lease, Outcome::Succeeded);
        }
        batches.push(driver.cut(true));
    }
    batches
}

fn project(store: &mut TestStore, what: &str, batches: Vec<Batch>) -> Duration {
    let (began, before) = (Instant::now(), busy());
    let mut batches = batches.into_iter();
    loop {
        let some: Vec<Batch> = batches.by_ref().take(BATCHES).collect();
        if some.is_empty() {
            break;
        }
        store.projector.project(some).unwrap();
    }
    let (elapsed, took) = (began.elapsed(), busy() - before);
    rate(what, took);
    println!("{:36} {elapsed:?} elapsed, {took:?} of one core", "");
    took
}

fn rate(what: &str, took: Duration) {
    println!(
        "{what:36} {:>9.0} tasks/s of one core",
        TASKS as f64 / took.as_secs_f64()
    );
}

/// Processor time of this thread: others may share the machine.
fn busy() -> Duration {
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(read.split(' ').next().unwrap().parse().unwrap())
}

/// Runs of a diamond of twenty steps, all at once.
#[test]
#[ignore = "measures; run it in release"]
fn how_fast_steps_are_projected() {
    const RUNS: usize = 1_000;
    let (mut driver, mut store) = (Driver::new(), TestStore::new());
    driver.join("w", 100_000, &["g"]);
    let middle = (1..19).map(|step| node(&format!("s{step}"), &[(0, On::Success)], NodeKind::Task));
    let all: Vec<(u32, On)> = (1..19).map(|step| (step, On::Success)).collect();
    let mut steps = vec![node("first", &[], NodeKind::Task)];
    steps.extend(middle);
    steps.push(node("last", &all, NodeKind::Task));
    let diamond = version(steps);
    for _ in 0..RUNS {
        driver.start_run("diamond", diamond.clone(), "t");
    }
    let mut batches = vec![driver.cut(true)];
    driver.advance();
    batches.push(driver.cut(true));
    while driver.state.can_dispatch() {
        driver.dispatch_all();
        batches.push(driver.cut(true));
        for chunk in driver.leases().chunks(PER_BATCH) {
            for lease in chunk {
                driver.report(*lease, Outcome::Succeeded);
            }
            driver.advance();
            batches.push(driver.cut(true));
        }
    }
    let began = Instant::now();
    let before = busy();
    for batch in batches {
        store.projector.project([batch]).unwrap();
    }
    let took = busy() - before;
    let rate = (RUNS * 20) as f64 / took.as_secs_f64();
    println!(
        "steps of runs: {rate:.0} steps/s of one core, {:?} elapsed",
        began.elapsed()
    );
    let lines = store.reader.last_audit().unwrap();
    println!(
        "{lines} lines of audit, {} KB",
        store.projector.disk_bytes().unwrap() >> 10
    );
}

#[test]
#[ignore = "measures; run it in release"]
fn how_fast_tasks_are_projected() {
    for tags in [&[][..], &["nightly"][..]] {
        println!("tags: {tags:?}");
        let (mut driver, mut store) = (Driver::new(), TestStore::new());
        driver.join("w", 100_000, &["bench"]);
        driver.join("v", 100_000, &["bench"]);
        let mut took = project(&mut store, "submitted", submit(&mut driver, &payload(tags)));
        took += project(&mut store, "leased later", lease(&mut driver));
        took += project(&mut store, "ended later still", end(&mut driver));
        rate("all three", took);
        took = project(&mut store, "submitted", submit(&mut driver, &payload(tags)));
        let merge = |a: Batch, b: Batch| Batch {
            events: std::sync::Arc::new([&a.events[..], &b.events[..]].concat()),
            ..b
        };
        let (leased, ended) = (lease(&mut driver), end(&mut driver));
        // Entries of a batch are those after it: of the two, only the later ones count.
        let both = leased
            .into_iter()
            .zip(ended)
            .map(|(a, b)| merge(a, b))
            .collect();
        took += project(&mut store, "leased and ended in one transaction", both);
        rate("both", took);

        let mut whole = Vec::new();
        for _ in 0..TASKS / PER_BATCH {
            driver.submit_many(&payload(tags), PER_BATCH, |_| {});
            driver.dispatch_all();
            for lease in driver.leases() {
                driver.report(lease, Outcome::Succeeded);
            }
            whole.push(driver.cut(true));
        }
        project(&mut store, "begun and ended in one transaction", whole);
        let began = Instant::now();
        store.projector.checkpoint().unwrap();
        println!(
            "checkpoint: {:?}, {} MB",
            began.elapsed(),
            store.projector.disk_bytes().unwrap() >> 20
        );
        let (before, mut steps) = (busy(), 1);
        let keep = Keep {
            max_age: Duration::from_secs(3600),
            max_tasks: 0,
            max_runs: u64::MAX,
        };
        while !store.projector.retain(driver.now, &keep).unwrap() {
            steps += 1;
        }
        let each = (busy() - before) / steps;
        println!("{steps} steps removed {} tasks, {each:?} each", 3 * TASKS);
        let (_, _, state) = store.reopen();
        assert_eq!(state.hash(), driver.state.hash());
    }
}

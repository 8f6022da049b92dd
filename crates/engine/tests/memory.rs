//! What queued tasks and their dedup keys take of memory, and how long their submits take.
//! `cargo test --release -p capataz-engine --test memory -- --ignored --nocapture` measures it;
//! `TASKS` says how many, five million unless it is set.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "memory and time are the host's"
)]

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use capataz_engine::{
    Command, LimitsInForce, NewTask, Policy, State, Submission, Timestamp, apply, decide, limits,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
/// Tasks of one submission.
const BATCH: u64 = 1_000;
/// Before so many tasks what a process has anyway is a large part of each.
const FEW: u64 = 1_000_000;

/// Resident memory in bytes.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4_096
}

/// A key as a hash makes it (SplitMix64, twice).
fn key_of(number: u64) -> u128 {
    let half = |number: u64| {
        let mut hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    };
    u128::from(half(number)) << 64 | u128::from(half(!number))
}

fn submission(first: u64, with_keys: bool) -> Command {
    let task = |number: u64| NewTask {
        group: 0,
        policy: 0,
        priority: limits::PRIORITY_DEFAULT,
        count: None,
        not_before: None,
        delay: None,
        expires_at: None,
        expires_in: None,
        dedup: with_keys.then(|| (key_of(number), key_of(!number))),
        affinity: Vec::new(),
        body: Bytes::new(),
    };
    Command::Submit(Submission {
        request: None,
        groups: vec!["g".to_owned()],
        policies: vec![Policy::default()],
        tasks: (first..first + BATCH).map(task).collect(),
    })
}

fn carry_out(state: &mut State, command: Command) {
    let decision = decide(state, NOW, command).expect("nothing here is refused");
    decision.events.iter().for_each(|event| apply(state, event));
    state.take_dirty();
}

/// Submits them and says what each takes: in the end, and the most on the way there.
fn measure(tasks: u64, with_keys: bool) -> State {
    let mut state = State::default();
    let limits = LimitsInForce {
        max_dedup_keys: tasks,
        ..LimitsInForce::default()
    };
    carry_out(
        &mut state,
        Command::StartEpoch {
            epoch: 1,
            writer: String::new(),
            limits,
        },
    );
    let before = resident();
    let (mut most, mut longest, mut total) = (0.0_f64, Duration::ZERO, Duration::ZERO);
    for first in (0..tasks).step_by(BATCH as usize) {
        let command = submission(first, with_keys);
        let begin = Instant::now();
        carry_out(&mut state, command);
        let took = begin.elapsed();
        (longest, total) = (longest.max(took), total + took);
        if first >= FEW {
            most = most.max((resident() - before) as f64 / first as f64);
        }
    }
    let each = (resident() - before) as f64 / tasks as f64;
    println!(
        "{tasks} tasks, with keys: {with_keys}: {each:.1} bytes each, {most:.1} at most on the way; \
        {} ns each, longest submission of {BATCH} {longest:?}",
        total.as_nanos() / u128::from(tasks),
    );
    state
}

#[test]
#[ignore = "a measurement, for release builds"]
fn what_queued_tasks_take() {
    let tasks = std::env::var("TASKS").map_or(5_000_000, |tasks| tasks.parse().expect("a number"));
    // What the first leaves behind would be taken by the second: both are kept.
    let plain = measure(tasks, false);
    let keyed = measure(tasks, true);
    assert_eq!(plain.live_tasks(), keyed.live_tasks());
}

//! What the sandbox costs: `/bin/true` through the guard against a bare loop that spawns and waits.
//! `cargo test --release -p capataz-worker --test sandbox -- --ignored --nocapture spawn_rate`

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::{Bench, command};

const ATTEMPTS: u64 = 1000;
const ROUNDS: u64 = 7;

fn bare(threads: u64) -> f64 {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..ATTEMPTS / threads {
                    let mut bare = Command::new("/bin/true");
                    bare.stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .stderr(Stdio::null());
                    assert!(bare.status().unwrap().success());
                }
            });
        }
    });
    ATTEMPTS as f64 / begin.elapsed().as_secs_f64()
}

async fn guarded(bench: &mut Bench, first: u64, in_flight: u64) -> f64 {
    let begin = Instant::now();
    for started in 0..ATTEMPTS + in_flight {
        if started >= in_flight {
            bench.finished().await;
        }
        if started < ATTEMPTS {
            bench.start(first + started, command(&["/bin/true"]));
        }
    }
    ATTEMPTS as f64 / begin.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a measurement, for release builds on an idle machine"]
async fn spawn_rate() {
    let mut bench = Bench::new();
    // The best of some rounds is what a disturbed machine can do.
    let mut best: BTreeMap<(&str, u64), f64> = BTreeMap::new();
    for round in 0..ROUNDS {
        for at_once in [1, 2] {
            let rate = best.entry(("bare", at_once)).or_default();
            *rate = rate.max(bare(at_once));
        }
        for at_once in [1, 2, 4, 16] {
            let first = (round * 100 + at_once) * ATTEMPTS;
            let rate = best.entry(("guarded", at_once)).or_default();
            *rate = rate.max(guarded(&mut bench, first, at_once).await);
        }
    }
    for ((kind, at_once), rate) in best {
        println!("{kind:8} {at_once:2} at once: {rate:5.0}/s");
    }
}

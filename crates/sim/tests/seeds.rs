//! A handful of seeds with every build: promises hold, and traces repeat.

use capataz_sim::{Covered, Figures, run};

/// Seeds of a build; `cargo xtask sim` runs more.
const SEEDS: u64 = 50;

#[test]
fn promises_hold() {
    let mut figures = Figures::default();
    for seed in 1..=SEEDS {
        let outcome = run(seed, None, false);
        let trace = || outcome.trace.join("\n");
        if let Some(violation) = &outcome.violation {
            panic!("{}\nseed {seed}: {violation}", trace());
        }
        figures.add(&outcome.figures);
    }
    assert_eq!(figures.seeds, SEEDS);
    assert!(
        figures.acknowledged > 10_000,
        "too little was asked for: {figures}"
    );
    assert!(
        figures.of(Covered::Runs) > 300
            && figures.of(Covered::Steps) > 2_000
            && figures.of(Covered::FanOuts) > 100,
        "too few runs were started: {figures}"
    );
    assert!(
        figures.faults.len() > 25,
        "too little went wrong: {figures}"
    );
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 7] {
        let (first, second) = (run(seed, None, true), run(seed, None, true));
        assert!(first.trace.len() > 1_000);
        assert_eq!(first.trace, second.trace);
        assert_eq!(first.trace_hash, second.trace_hash);
        assert_eq!(first.figures, second.figures);
    }
    assert_ne!(run(3, None, true).trace_hash, run(7, None, true).trace_hash);
}

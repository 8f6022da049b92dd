//! A handful of seeds with every build: promises hold, and traces repeat.

use std::collections::BTreeSet;

use capataz_sim::{Covered, Figures, Options, run};

/// Seeds of a build; `cargo xtask sim` runs more.
const SEEDS: u64 = 50;

#[test]
fn promises_hold() {
    let mut figures = Figures::default();
    for seed in 1..=SEEDS {
        let outcome = run(seed, None, false);
        if let Some(report) = outcome.explain() {
            panic!("{report}");
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

/// Seeds whose traces are compared: together they have a world of each kind in [`KINDS`].
const REPEATED: [u64; 4] = [3, 4, 5, 6];

/// A kind of world, by name.
type Kind = (&'static str, fn(&Options) -> bool);
const KINDS: [Kind; 5] = [
    ("file journal and faults", |options| {
        !options.shared && !options.calm
    }),
    ("calm", |options| options.calm),
    ("shared journal", |options| options.shared),
    ("runs", |options| options.flows > 0),
    ("REST workers", |options| options.pollers > 0),
];

#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut hashes = BTreeSet::new();
    let mut met = BTreeSet::new();
    for seed in REPEATED {
        let (first, second) = (run(seed, None, true), run(seed, None, true));
        assert!(first.trace.len() > 1_000);
        assert_eq!(first.trace, second.trace);
        assert_eq!(first.trace_hash, second.trace_hash);
        assert_eq!(first.figures, second.figures);
        hashes.insert(first.trace_hash);
        let kinds = KINDS.iter().filter(|(_, is)| is(&first.options));
        met.extend(kinds.map(|(name, _)| *name));
    }
    assert_eq!(hashes.len(), REPEATED.len());
    assert_eq!(
        met.len(),
        KINDS.len(),
        "the seeds cover only {met:?}: take others"
    );
}

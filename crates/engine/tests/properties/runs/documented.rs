//! The tables of runs that users read are the ones that the engine lives by.

#![expect(clippy::disallowed_methods, reason = "stories are files")]

use std::collections::BTreeSet;

use capataz_engine::{Change, RunPhase, RunReason, StepReason};

use super::world::World;

const TABLES: &str = include_str!("../../../../../docs/reference/run-semantics.md");
const STORIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");

type Pair = (String, String);

/// The cells of the table below a heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let plain = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let lines = TABLES.lines().skip_while(|line| *line != heading);
    let rows = lines.skip_while(|line| !line.starts_with('|')).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(plain).collect();
    rows.map(cells).collect()
}

fn pairs(heading: &str) -> BTreeSet<Pair> {
    let rows = table(heading).into_iter();
    rows.map(|cells| (cells[0].clone(), cells[1].clone()))
        .collect()
}

#[test]
fn every_row_has_its_story() {
    let headings = [
        "## When an edge is satisfied",
        "## When a step starts",
        "## How a step ends",
        "## How a run ends, and what steers it",
    ];
    let rows: Vec<Vec<String>> = headings.iter().flat_map(|heading| table(heading)).collect();
    assert!(rows.len() > 25, "only {} rows were found", rows.len());
    for row in rows {
        let story = row.last().expect("a row has cells");
        let told = std::fs::read_to_string(format!("{STORIES}/{story}.txt"));
        let told = told.unwrap_or_else(|error| panic!("{story}: {error}"));
        assert!(told.starts_with("# Row: "), "{story} is told for a row");
    }
}

#[test]
fn every_state_of_a_run_is_documented() {
    let documented = pairs("## States of a run");
    let mut seen = BTreeSet::new();
    let pair =
        |phase: RunPhase, reason: RunReason| (phase.name().to_owned(), reason.name().to_owned());
    for seed in 0..30 {
        let mut world = World::new(seed);
        for _ in 0..80 {
            world.act();
            seen.extend(world.runs().iter().map(|run| pair(run.phase, run.reason)));
        }
        for event in &world.events {
            if let Change::RunEnded { phase, reason, .. } = event.change {
                seen.insert(pair(phase, reason));
            }
        }
    }
    let unknown: Vec<&Pair> = seen.difference(&documented).collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
    let unseen: Vec<&Pair> = documented.difference(&seen).collect();
    assert!(unseen.is_empty(), "never seen: {unseen:?}");
}

#[test]
fn every_end_of_a_step_is_documented() {
    let documented = pairs("## Ends of a step");
    let mut seen = BTreeSet::new();
    for event in (0..20).flat_map(super::events) {
        let Change::StepDecided { outcome, .. } = event.change else {
            continue;
        };
        let phase = outcome.phase.name().to_owned();
        let reason = match outcome.reason {
            StepReason::Task(_) if phase == "failed" => "as its task",
            reason => reason.name(),
        };
        seen.insert((phase, reason.to_owned()));
    }
    assert_eq!(seen, documented);
}

//! The table of states that users read is the one that the engine lives by.

use std::collections::BTreeSet;

use capataz_engine::{Change, Command, Next, Phase, Reason, Span, Timestamp};

use crate::chance::Chance;
use crate::model::Model;
use crate::orders::Orders;
use crate::witness::Witness;

const TABLE: &str = include_str!("../../../../docs/reference/states.md");
const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000);

type Pair = (String, String);

/// The first two columns of the first table.
fn documented() -> BTreeSet<Pair> {
    let plain = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rows = TABLE.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').skip(1).map(plain).collect::<Vec<_>>());
    cells
        .map(|cells| (cells[0].clone(), cells[1].clone()))
        .collect()
}

fn pair(phase: Phase, reason: Reason) -> Pair {
    (phase.name().to_owned(), reason.name().to_owned())
}

#[test]
fn every_name_is_documented() {
    let documented = documented();
    for phase in Phase::ALL {
        assert!(
            documented.iter().any(|(state, _)| state == phase.name()),
            "{phase:?}"
        );
    }
    for reason in Reason::ALL {
        assert!(
            documented.iter().any(|(_, name)| name == reason.name()),
            "{reason:?}"
        );
    }
}

#[test]
fn every_pair_that_occurs_is_documented() {
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let mut orders = Orders {
            chance: Chance::new(seed),
            affinity: false,
            epoch: 0,
        };
        let (mut model, mut witness, mut now) = (Model::default(), Witness::default(), BEGIN);
        for _ in 0..150 {
            now = now + Span::secs(2);
            for command in [orders.next(now, &model), Command::Tick, Command::Dispatch] {
                let Ok(outcome) = witness.carry_out(now, command) else {
                    continue;
                };
                for event in &outcome.events {
                    model.fold(event);
                    match event.change {
                        Change::Closed { phase, reason, .. }
                        | Change::AttemptEnded {
                            next: Next::Over { phase, reason },
                            ..
                        } => {
                            seen.insert(pair(phase, reason));
                        }
                        _ => {}
                    }
                }
            }
            let views = model
                .units
                .keys()
                .filter_map(|key| witness.state.task_view(*key));
            seen.extend(views.map(|view| pair(view.phase, view.reason)));
        }
    }
    let documented = documented();
    let unknown: Vec<&Pair> = seen.difference(&documented).collect();
    assert!(
        unknown.is_empty(),
        "not in docs/reference/states.md: {unknown:?}"
    );
    assert!(seen.len() >= 11, "too little happened: {seen:?}");
}

//! `apply` is total: events that no correct journal holds (out of order, of another namespace, with
//! bytes flipped) change what they can and never panic; nor does anything asked of the state after.

use capataz_engine::{
    Begin, Closing, Command, Due, Event, Key, Reopening, RestoreError, Span, State, TaskId,
    Timestamp, apply, decide, effects, outstanding,
};

use crate::chance::Chance;
use crate::model::Model;
use crate::orders::Orders;
use crate::runs;
use crate::witness::Witness;

const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000);

/// Events that make sense: of runs of workflows, or of all that single tasks meet with.
fn sensible(seed: u64) -> Vec<Event> {
    match seed % 3 {
        0 => runs::events(seed),
        _ => single_tasks(seed),
    }
}

fn single_tasks(seed: u64) -> Vec<Event> {
    let mut orders = Orders {
        chance: Chance::new(seed),
        affinity: seed.is_multiple_of(2),
        epoch: 0,
    };
    let (mut model, mut witness, mut now) = (Model::default(), Witness::default(), BEGIN);
    let mut events = Vec::new();
    for _ in 0..120 {
        now = now + Span::secs(3);
        for command in [orders.next(now, &model), Command::Tick, Command::Dispatch] {
            let Ok(outcome) = witness.carry_out(now, command) else {
                continue;
            };
            outcome.events.iter().for_each(|event| model.fold(event));
            events.extend(outcome.events);
        }
    }
    events
}

/// The event with a byte or two flipped, when that still reads as an event.
fn flipped(event: &Event, chance: &mut Chance) -> Option<Event> {
    let mut bytes = postcard::to_stdvec(event).ok()?;
    for _ in 0..1 + chance.below(2) {
        let at = chance.below(bytes.len() as u64) as usize;
        bytes[at] = chance.next() as u8;
    }
    postcard::from_bytes(&bytes).ok()
}

fn ask_everything(state: &mut State, chance: &mut Chance, model: &Model) {
    let mut orders = Orders {
        chance: Chance::new(chance.next()),
        affinity: true,
        epoch: 99,
    };
    let now = state.last_at();
    for _ in 0..4 {
        // Refusals are fine, and so are decisions; a panic is not.
        let _ = decide(state, now, orders.next(now, model));
    }
    for command in [Command::Tick, Command::Dispatch] {
        let decision = decide(state, now, command).expect("never refused");
        decision.events.iter().for_each(|event| apply(state, event));
    }
    ask_about_runs(state, chance);
    outstanding(state);
    state.group_views();
    state.pod_views();
    state.worker_views();
    for key in [
        TaskId(chance.below(80)).key(),
        TaskId(3).element(1),
        Key::from_raw(u64::MAX),
    ] {
        state.explain(key);
        state.task_view(key);
    }
}

/// Whatever is due, and whatever can be seen of runs.
fn ask_about_runs(state: &mut State, chance: &mut Chance) {
    let now = state.last_at();
    for _ in 0..8 {
        let command = match state.next_due() {
            None => break,
            Some(Due::Workflow(workflow)) => Command::AdvanceWorkflow { workflow },
            Some(Due::Run(run)) => Command::AdvanceRun { run },
            Some(Due::End(run)) => Command::EndRun {
                run,
                closing: Ok(Closing::default()),
            },
            Some(Due::Step { run, step, .. }) => Command::BeginStep {
                run,
                step,
                begin: match chance.below(3) {
                    0 => Begin::Broken(String::new()),
                    1 => Begin::Skip,
                    _ => Begin::Noop,
                },
            },
        };
        let decision = decide(state, now, command).unwrap_or_default();
        decision.events.iter().for_each(|event| apply(state, event));
    }
    state.workflow_views();
    for (run, view) in state.run_views() {
        let Some(context) = state.run_context(run) else {
            continue;
        };
        for step in 0..view.steps.0 {
            context.step_state(step);
            context.output(step);
            context.element_outputs(step);
        }
        state.run_view(run, 10);
        let archive = None;
        let reopening = Reopening {
            run,
            archive,
            steps: None,
            descendants: false,
        };
        let _ = decide(state, now, Command::Reopen(reopening));
    }
}

/// A store never holds what garbage left behind, but reading it must end in an error at worst.
fn restore(state: &mut State) -> Result<State, RestoreError> {
    state.take_dirty();
    let mut restored = State::default();
    for key in state.entry_keys() {
        restored.restore_entry(key, &state.entry(key).unwrap_or_default())?;
    }
    restored.finish_restore();
    Ok(restored)
}

#[test]
fn apply_is_total() {
    let model = Model::default();
    let mut applied = 0;
    for seed in 0..80 {
        let mut chance = Chance::new(seed);
        let (own, foreign) = (sensible(seed), sensible(seed + 1_000));
        let mut state = State::default();
        for event in own.iter().chain(&foreign) {
            let garbage = match chance.below(10) {
                0 => None,
                1 => chance.one_of(&[&own[..], &foreign[..]]).and_then(|events| {
                    let at = chance.below(events.len() as u64) as usize;
                    events.get(at).cloned()
                }),
                2..5 => flipped(event, &mut chance),
                _ => Some(event.clone()),
            };
            let Some(garbage) = garbage else { continue };
            apply(&mut state, &garbage);
            effects(&state, &garbage);
            applied += 1;
            if chance.percent(20) {
                ask_everything(&mut state, &mut chance, &model);
            }
        }
        let _ = restore(&mut state);
    }
    assert!(applied > 5_000, "only {applied} events were applied");
}

//! Running steps of a run once more.

use std::collections::BTreeSet;

use super::settings::check_room;
use super::workflows;
use super::{check_range, done};
use crate::command::Decision;
use crate::event::Change;
use crate::limits;
use crate::rejection::Rejection;
use crate::run::{Reopening, RunId, StepOutcome, StepReason};
use crate::state::{Archive, Run, State, Status};
use crate::time::Timestamp;
use crate::workflow::{Edge, Join, On};

/// Runs steps once more, in a run that lives or in one that has ended.
pub(super) fn reopen(
    state: &State,
    now: Timestamp,
    reopening: Reopening,
) -> Result<Decision, Rejection> {
    let id = reopening.run;
    if let Some(run) = state.run(id) {
        if run.cancelled {
            return Err(Rejection::RunNotFinished { run: id });
        }
        let steps = chosen(state, run, &reopening)?;
        let (archive, workflow) = (None, run.workflow);
        let reopened = Change::RunReopened {
            run: id,
            workflow,
            archive,
            steps,
        };
        return Ok(done(now, [reopened]));
    }
    let gone = || Rejection::RunNotLive { run: id };
    let archive = reopening.archive.as_ref().ok_or_else(gone)?;
    let (name, run) = Archive::open(archive).ok_or_else(gone)?;
    let accepted = 1..state.next_task().0;
    if !accepted.contains(&id.0) {
        return Err(gone());
    }
    let most = limits::VERSION_BYTES as u64;
    check_range("the ended run", 0, most, archive.len() as u64)?;
    check_room(state.runs.runs.len(), limits::LIVE_RUNS, "runs")?;
    let steps = chosen(state, &run, &reopening)?;
    let mut changes = Vec::new();
    let workflow = workflows::number(state, name, &mut changes)?;
    let conflict = run.conflict.as_deref();
    if let Some(holder) = conflict.and_then(|key| state.runs.holder(workflow, key)) {
        return Err(Rejection::RunConflict { holder });
    }
    changes.push(Change::RunReopened {
        run: id,
        workflow,
        archive: Some(archive.clone()),
        steps,
    });
    Ok(done(now, changes))
}

/// The numbers of the steps that run once more.
fn chosen(state: &State, run: &Run, reopening: &Reopening) -> Result<Vec<u32>, Rejection> {
    let id = reopening.run;
    let outcome = |step: u32| match run.step(step)?.status {
        Status::Over(outcome) => Some(outcome),
        _ => None,
    };
    let mut first = Vec::new();
    match &reopening.steps {
        Some(names) => {
            for name in names {
                let step = run.plan.find(name);
                first.push(step.ok_or_else(|| Rejection::UnknownStep {
                    run: id,
                    step: name.clone(),
                })?);
            }
        }
        None => first.extend(
            (0..run.steps.len() as u32)
                .filter(|step| outcome(*step).is_some_and(StepOutcome::is_bad)),
        ),
    }
    let all = 0..run.steps.len() as u32;
    let reached = run.plan.descendants(&first);
    let mut named = vec![false; run.steps.len()];
    first.iter().for_each(|step| named[*step as usize] = true);
    let again = match (&reopening.steps, reopening.descendants) {
        (Some(_), true) => reached,
        (Some(_), false) => named,
        (None, _) => retried(run, &reached, outcome),
    };
    let steps: Vec<u32> = all.filter(|step| again[*step as usize]).collect();
    if steps.is_empty() {
        return Err(Rejection::NothingToRunAgain { run: id });
    }
    let leased = leased_steps(state, id);
    let is_over = |step: u32| outcome(step).is_some() && !leased.contains(&step);
    match steps.iter().find(|step| !is_over(**step)) {
        Some(step) => Err(Rejection::StepNotOver {
            run: id,
            step: run
                .plan
                .node(*step)
                .map_or(String::new(), |node| node.name.clone()),
        }),
        None => Ok(steps),
    }
}

/// The steps that a retry runs once more: what ended badly, what of those `reached` from there it
/// kept from running, and what ran because of it. All else that ran stays as it is.
fn retried(
    run: &Run,
    reached: &[bool],
    outcome: impl Fn(u32) -> Option<StepOutcome> + Copy,
) -> Vec<bool> {
    let mut again = vec![false; run.steps.len()];
    // Each after the steps that it comes after.
    for step in run.plan.order.iter().copied() {
        let Some(ended) = outcome(step) else {
            continue;
        };
        let at = step as usize;
        let held_up = reached[at] && is_held_up(ended);
        again[at] = ended.is_bad() || held_up || was_answer(run, step, &again, outcome);
    }
    again
}

/// Whether a step started because of how steps ended that run once more: it cleaned up after them,
/// ran whatever became of them, or came after such a step. Their new end asks for it anew.
fn was_answer(
    run: &Run,
    step: u32,
    again: &[bool],
    outcome: impl Fn(u32) -> Option<StepOutcome>,
) -> bool {
    let Some(node) = run.plan.node(step) else {
        return false;
    };
    let is_open = |edge: &Edge| {
        // A failure that is allowed stands for a success: what went on after it has not reacted.
        let bad = outcome(edge.step).is_some_and(StepOutcome::is_bad);
        again[edge.step as usize] && (edge.on != On::Success || !bad)
    };
    let stands = |edge: &Edge| {
        let ended = outcome(edge.step);
        !is_open(edge) && ended.is_some_and(|ended| run.satisfies(edge.step, edge.on, ended))
    };
    let mut edges = node.after.iter();
    match node.join {
        Join::All => edges.any(is_open),
        Join::Any => edges.any(is_open) && !node.after.iter().any(stands),
    }
}

/// Steps of a run with an attempt that holds a lease, maybe one that is being stopped: a step never
/// runs twice at once.
fn leased_steps(state: &State, id: RunId) -> BTreeSet<u32> {
    let steps = state.leases.values().filter_map(|lease| lease.step);
    steps
        .filter(|(run, _)| *run == id)
        .map(|(_, step)| step)
        .collect()
}

fn is_held_up(outcome: StepOutcome) -> bool {
    matches!(
        outcome.reason,
        StepReason::Upstream(_) | StepReason::RunCancelled
    )
}

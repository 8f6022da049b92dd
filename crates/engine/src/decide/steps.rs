//! A step that is ready begins: as its owner worked out.

use super::runs::{CANCELLED_AT_ONCE, closed, live};
use super::submit::accept;
use super::{check_range, done};
use crate::command::{Decision, Submission};
use crate::event::Change;
use crate::id::TaskId;
use crate::limits;
use crate::reason::Phase;
use crate::rejection::Rejection;
use crate::run::{Begin, RunId, StepOutcome, StepReason};
use crate::state::{Run, State, Status, Task};
use crate::time::Timestamp;

pub(super) fn begin(
    state: &State,
    now: Timestamp,
    id: RunId,
    step: u32,
    begin: Begin,
) -> Result<Decision, Rejection> {
    let run = live(state, id)?;
    check_startable(run, id, step, &begin)?;
    let change = match begin {
        Begin::Task(submission) => {
            let started = start_one(state, now, id, step, submission);
            return or_broken(state, now, (id, step), started);
        }
        Begin::Elements(submission) => {
            let started = start_elements(state, now, id, step, submission);
            return or_broken(state, now, (id, step), started);
        }
        Begin::Broken(note) => return broken(state, now, id, step, note),
        Begin::Fan { count, .. } if count > limits::FAN_OUT => {
            let most = limits::FAN_OUT;
            let note = format!("for_each gives {count} items; at most {most} are taken");
            return broken(state, now, id, step, note);
        }
        Begin::Noop => decided(id, step, StepOutcome::SUCCEEDED, String::new()),
        Begin::Skip => {
            let (phase, reason) = (Phase::Skipped, StepReason::Condition);
            decided(id, step, StepOutcome { phase, reason }, String::new())
        }
        Begin::Fan { count, items } => Change::FanOpened {
            run: id,
            step,
            count,
            items,
        },
    };
    Ok(done(now, [change]))
}

fn decided(run: RunId, step: u32, outcome: StepOutcome, note: String) -> Change {
    Change::StepDecided {
        run,
        step,
        outcome,
        note,
    }
}

fn start_one(
    state: &State,
    now: Timestamp,
    run: RunId,
    step: u32,
    submission: Submission,
) -> Result<Decision, Rejection> {
    check_range("tasks", 1, 1, submission.tasks.len() as u64)?;
    started(state, now, (run, step, None), submission)
}

fn start_elements(
    state: &State,
    now: Timestamp,
    id: RunId,
    step: u32,
    submission: Submission,
) -> Result<Decision, Rejection> {
    let (next, left) = elements(live(state, id)?, step);
    check_range("tasks", 1, left.into(), submission.tasks.len() as u64)?;
    started(state, now, (id, step, Some(next)), submission)
}

/// A step whose tasks are refused fails with the reason: asked again, they would be refused again.
/// Only where there are too many live tasks it waits.
fn or_broken(
    state: &State,
    now: Timestamp,
    (run, step): (RunId, u32),
    started: Result<Decision, Rejection>,
) -> Result<Decision, Rejection> {
    match started {
        Err(Rejection::Full { what: "tasks", .. }) | Ok(_) => started,
        Err(why) => broken(state, now, run, step, why.to_string()),
    }
}

/// A step that cannot be worked out fails. Elements of it that live are ended first, a bounded part
/// at a time: its owner finds it broken again until none is left. A step that is over has no tasks.
fn broken(
    state: &State,
    now: Timestamp,
    id: RunId,
    step: u32,
    note: String,
) -> Result<Decision, Rejection> {
    let run = live(state, id)?;
    if run.step(step).is_some_and(|step| step.tasks > 0) {
        return Ok(done(now, close_elements(state, run, step)));
    }
    let (phase, reason) = (Phase::Failed, StepReason::Template);
    let failed = decided(id, step, StepOutcome { phase, reason }, note);
    Ok(done(now, [failed]))
}

/// Refuses what was worked out for a step that stands somewhere else by now.
fn check_startable(run: &Run, id: RunId, step: u32, begin: &Begin) -> Result<(), Rejection> {
    let status = run.step(step).map(|step| step.status);
    let is_open = status == Some(Status::Running) && run.has_items(step);
    let fits = match begin {
        Begin::Elements(_) => is_open,
        // The templates of an element may fail after others have begun.
        Begin::Broken(_) => is_open || status == Some(Status::Ready),
        _ => status == Some(Status::Ready),
    };
    match fits && run.began && !run.paused && !run.cancelled {
        true => Ok(()),
        false => Err(Rejection::StepNotReady { run: id, step }),
    }
}

/// Where the next elements of a fan-out begin, and how many there are.
fn elements(run: &Run, step: u32) -> (u32, u32) {
    let fan = run.step(step).and_then(|step| step.fan.as_ref());
    fan.map_or((0, 0), |fan| (fan.next, fan.count.saturating_sub(fan.next)))
}

fn close_elements(state: &State, run: &Run, step: u32) -> Vec<Change> {
    let is_of_step = |id: &&TaskId| {
        let link = state.tasks.get(**id).and_then(Task::step);
        link.is_some_and(|link| link.step == step)
    };
    let elements = run.tasks.iter().filter(is_of_step);
    elements
        .take(CANCELLED_AT_ONCE)
        .map(|task| closed(*task))
        .collect()
}

fn started(
    state: &State,
    now: Timestamp,
    (run, step, element): (RunId, u32, Option<u32>),
    submission: Submission,
) -> Result<Decision, Rejection> {
    let (mut changes, accepted) = accept(state, now, submission)?;
    changes.push(Change::StepStarted {
        run,
        step,
        element,
        first: state.next_task(),
        policies: accepted.policies,
        tasks: accepted.tasks,
    });
    Ok(done(now, changes))
}

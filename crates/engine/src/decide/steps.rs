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
    let decided = |phase, reason, note| Change::StepDecided {
        run: id,
        step,
        outcome: StepOutcome { phase, reason },
        note,
    };
    let change = match begin {
        Begin::Task(submission) => {
            check_range("tasks", 1, 1, submission.tasks.len() as u64)?;
            return started(state, now, (id, step, None), submission);
        }
        Begin::Elements(submission) => {
            let (next, left) = elements(run, step);
            check_range("tasks", 1, left.into(), submission.tasks.len() as u64)?;
            return started(state, now, (id, step, Some(next)), submission);
        }
        Begin::Noop => {
            let StepOutcome { phase, reason } = StepOutcome::SUCCEEDED;
            decided(phase, reason, String::new())
        }
        Begin::Skip => decided(Phase::Skipped, StepReason::Condition, String::new()),
        Begin::Broken(_) if has_tasks(run, step) => {
            return Ok(done(now, close_elements(state, run, step)));
        }
        Begin::Broken(note) => decided(Phase::Failed, StepReason::Template, note),
        Begin::Fan { count, .. } if count > limits::FAN_OUT => {
            let note = format!(
                "for_each gives {count} items; at most {} are taken",
                limits::FAN_OUT
            );
            decided(Phase::Failed, StepReason::Template, note)
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

fn has_tasks(run: &Run, step: u32) -> bool {
    run.step(step).is_some_and(|step| step.tasks > 0)
}

/// Ends elements of a fan-out that cannot succeed any more, a bounded part at a time. Its owner
/// finds it broken again until none is left; then it is decided: a step that is over has no tasks.
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

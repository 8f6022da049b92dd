//! Starting and steering runs.

use bytes::Bytes;

use super::settings::check_room;
use super::{answered, check_range, done, workflows};
use crate::command::{Answer, Decision, Ids};
use crate::event::Change;
use crate::id::{Attempt, Key, TaskId};
use crate::limits;
use crate::planted::{Bug, planted};
use crate::reason::{Phase, Reason};
use crate::rejection::Rejection;
use crate::run::{
    Closing, NewRun, RunId, RunKey, RunPhase, RunReason, StartRun, StepOutcome, StepReason, Which,
};
use crate::state::{RUN_KEYS, Run, State, Status, short};
use crate::time::Timestamp;
use crate::workflow::{Node, Version, WorkflowId};

/// Steps decided and tasks closed at once while a run is cancelled: a turn stays short.
pub(super) const CANCELLED_AT_ONCE: usize = 1_000;

pub(super) fn start(state: &State, now: Timestamp, start: StartRun) -> Result<Decision, Rejection> {
    if let Some(request) = start.request
        && let Some(entry) = state.requests.get(request.id, now)
    {
        let run = entry.ids.iter().next().map_or(RunId(0), |id| RunId(id.0));
        return match entry.content == request.content {
            true => Ok(answered(now, [], Answer::Run(run))),
            false => Err(Rejection::RequestConflict),
        };
    }
    if let Some(run) = known(state, now, start.run.key)? {
        // The call is on record, too: repeated it gets the same run, even when the key stands for
        // nothing any more.
        let remembered = start.request.map(|request| Change::Submitted {
            first: state.next_task(),
            request: Some((request, only(run))),
            policies: Vec::new(),
            tasks: Vec::new(),
        });
        return Ok(answered(now, remembered, Answer::Run(run)));
    }
    check_new(state, &start.run)?;
    let mut changes = Vec::new();
    let (workflow, version) = follow(state, start.workflow, start.version, &mut changes)?;
    let conflict = start
        .run
        .conflict
        .as_deref()
        .filter(|_| !start.waits_for_conflict);
    if let Some(holder) = conflict.and_then(|key| state.runs.holder(workflow, key)) {
        return Err(Rejection::RunConflict { holder });
    }
    let run = RunId(state.next_task().0);
    changes.push(Change::RunStarted {
        run,
        workflow,
        version,
        request: start
            .request
            .filter(|_| !planted(Bug::RunRequestNotJournaled))
            .map(|request| (request, only(run))),
        new: Box::new(start.run),
    });
    Ok(answered(now, changes, Answer::Run(run)))
}

/// What a call that starts a run is told, as a list of ids.
fn only(run: RunId) -> Ids {
    Ids::Range {
        first: TaskId(run.0),
        count: 1,
    }
}

/// The run that a client's key stands for already.
fn known(state: &State, now: Timestamp, key: Option<RunKey>) -> Result<Option<RunId>, Rejection> {
    let Some(key) = key else { return Ok(None) };
    match state.dedup.get(RUN_KEYS, key.id, now) {
        Some(entry) if entry.content == short(key.content) => Ok(Some(RunId(entry.task.0))),
        Some(entry) => Err(Rejection::RunKeyConflict {
            existing: RunId(entry.task.0),
        }),
        None => {
            let limit = state.meta.limits.max_dedup_keys;
            check_room(state.dedup.len() as usize, limit as usize, "dedup keys")?;
            Ok(None)
        }
    }
}

fn check_new(state: &State, run: &NewRun) -> Result<(), Rejection> {
    let (least, most) = (limits::PRIORITY_MIN, limits::PRIORITY_MAX);
    check_range("priority", least.into(), most.into(), run.priority.into())?;
    check_room(state.runs.runs.len(), limits::LIVE_RUNS, "runs")?;
    check_room(
        state.next_task().0 as usize,
        limits::TASK_IDS as usize,
        "task ids",
    )
}

fn follow(
    state: &State,
    name: String,
    version: Which,
    changes: &mut Vec<Change>,
) -> Result<(WorkflowId, u32), Rejection> {
    let (wanted, content) = match version {
        Which::Given(version) => return workflows::place(state, name, *version, false, changes),
        Which::Registered(number) => (number, None),
        Which::Known { number, content } => (Some(number), Some(content)),
    };
    let id = workflows::registered(state, &name)?;
    let workflow = state.workflow(id);
    let current = workflow.and_then(|workflow| Some((workflow.registered?, workflow)));
    let (current, workflow) = current.ok_or(Rejection::UnknownWorkflow { name })?;
    let registered = workflow.versions.get(&current);
    let is_other = |content| registered.is_none_or(|known| known.plan.version.content != content);
    match wanted.filter(|wanted| *wanted != current || content.is_some_and(is_other)) {
        Some(got) => Err(Rejection::StaleVersion { current, got }),
        None => Ok((id, current)),
    }
}

pub(super) fn pause(
    state: &State,
    now: Timestamp,
    run: RunId,
    on: bool,
) -> Result<Decision, Rejection> {
    let entry = live(state, run)?;
    let changes = (entry.paused != on).then_some(Change::RunPaused { run, on });
    Ok(done(now, changes))
}

pub(super) fn cancel(
    state: &State,
    now: Timestamp,
    run: RunId,
    note: String,
) -> Result<Decision, Rejection> {
    let entry = live(state, run)?;
    let changes = (!entry.cancelled).then_some(Change::RunCancelled { run, note });
    Ok(done(now, changes))
}

pub(super) fn live(state: &State, run: RunId) -> Result<&Run, Rejection> {
    state.run(run).ok_or(Rejection::RunNotLive { run })
}

/// Does what the rules alone can do about a run.
pub(super) fn advance(state: &State, now: Timestamp, id: RunId) -> Result<Decision, Rejection> {
    let run = live(state, id)?;
    if run.cancelled && !run.is_finished() {
        return Ok(done(now, wind_up(id, run)));
    }
    if let Some(due) = run.due.first().filter(|_| !run.cancelled) {
        return Ok(done(now, decided(id, run, due.step)));
    }
    if !run.is_finished() || (!run.began && !run.cancelled) {
        return Ok(Decision::default());
    }
    Ok(done(now, [ended(id, run)]))
}

fn decided(id: RunId, run: &Run, number: u32) -> Option<Change> {
    let outcome = match run.step(number)?.status {
        Status::Ended(outcome) => outcome,
        Status::Doomed(step) => StepOutcome {
            phase: Phase::Skipped,
            reason: StepReason::Upstream(step),
        },
        Status::Ready => StepOutcome::SUCCEEDED,
        Status::Blocked | Status::Running | Status::Over(_) => return None,
    };
    Some(Change::StepDecided {
        run: id,
        step: number,
        outcome,
        note: String::new(),
    })
}

/// Ends what is left of a cancelled run, a bounded part at a time: first its tasks, then its steps.
fn wind_up(id: RunId, run: &Run) -> Vec<Change> {
    let tasks = run.tasks.iter().take(CANCELLED_AT_ONCE);
    let tasks: Vec<Change> = tasks.map(|task| closed(*task)).collect();
    if !tasks.is_empty() {
        return tasks;
    }
    let cancelled = StepOutcome {
        phase: Phase::Cancelled,
        reason: StepReason::RunCancelled,
    };
    let steps = run.steps.iter().enumerate();
    let open = steps.filter(|(_, step)| !matches!(step.status, Status::Over(_)));
    open.take(CANCELLED_AT_ONCE)
        .map(|(number, step)| Change::StepDecided {
            run: id,
            step: number as u32,
            outcome: match step.status {
                // It ended by itself before it could be cancelled.
                Status::Ended(outcome) => outcome,
                _ => cancelled,
            },
            note: String::new(),
        })
        .collect()
}

/// A task ends because what it is a part of does.
pub(super) fn closed(task: TaskId) -> Change {
    Change::Closed {
        key: task.key(),
        phase: Phase::Cancelled,
        reason: Reason::Requested,
        note: String::new(),
    }
}

pub(super) fn ended(id: RunId, run: &Run) -> Change {
    let (phase, reason) = match (run.cancelled, run.bad) {
        (true, _) => (RunPhase::Cancelled, RunReason::Requested),
        (false, 0) => (RunPhase::Succeeded, RunReason::None),
        (false, _) => (RunPhase::Failed, RunReason::StepFailed),
    };
    Change::RunEnded {
        run: id,
        phase,
        reason,
        note: String::new(),
        result: Bytes::new(),
    }
}

/// Ends a run that is asked what comes of it.
pub(super) fn end(
    state: &State,
    now: Timestamp,
    id: RunId,
    closing: Result<Closing, String>,
) -> Result<Decision, Rejection> {
    let run = live(state, id)?;
    if !run.is_finished() || !run.began {
        return Err(Rejection::RunNotFinished { run: id });
    }
    // The successor comes first: its version is not to be forgotten with its last run.
    let mut changes = Vec::new();
    let closing = closing.and_then(|closing| {
        let repeated = match closing.successor {
            Some(new) => repeat(state, run, new, &mut changes),
            None => Ok(()),
        };
        let told = (closing.result, closing.note);
        repeated.map(|()| told).map_err(|why| why.to_string())
    });
    let mut end = ended(id, run);
    if let Change::RunEnded {
        phase,
        reason,
        note,
        result,
        ..
    } = &mut end
    {
        match closing {
            Ok(told) => (*result, *note) = told,
            Err(why) => (*phase, *reason, *note) = (RunPhase::Failed, RunReason::Template, why),
        }
    }
    changes.push(end);
    Ok(done(now, changes))
}

/// Starts the run that repeats another. What refuses it fails the run: asked again, it would be
/// refused again.
fn repeat(
    state: &State,
    run: &Run,
    new: Box<NewRun>,
    changes: &mut Vec<Change>,
) -> Result<(), Rejection> {
    check_new(state, &new)?;
    let (workflow, version) = followed(state, run, changes)?;
    let first = state.next_task().0;
    let count = 1 + u64::from(planted(Bug::SuccessorStartedTwice));
    changes.extend((first..first + count).map(|run| Change::RunStarted {
        run: RunId(run),
        workflow,
        version,
        request: None,
        new: new.clone(),
    }));
    Ok(())
}

/// What the run that repeats another follows: the same version, made known again if need be.
fn followed(
    state: &State,
    run: &Run,
    changes: &mut Vec<Change>,
) -> Result<(WorkflowId, u32), Rejection> {
    if run.follows {
        return Ok((run.workflow, run.version));
    }
    let name = state.workflow(run.workflow).map(|known| known.name.clone());
    let version = run.plan.version.clone();
    workflows::place(state, name.unwrap_or_default(), version, false, changes)
}

/// Adds steps to a run: its version with more steps at the end. A step that asks may have lost its
/// lease since its caller looked, so it is looked at here.
pub(super) fn extend(
    state: &State,
    now: Timestamp,
    id: RunId,
    by: Option<(Key, Attempt)>,
    version: Version,
) -> Result<Decision, Rejection> {
    let run = live(state, id)?;
    if let Some((key, attempt)) = by.filter(|(key, attempt)| !state.runs_step(id, *key, *attempt)) {
        return Err(Rejection::StaleLease { key, attempt });
    }
    let (known, all) = (run.plan.nodes(), &version.graph.steps);
    // An old step may have to keep its output from now on, for a new one.
    let same = |(old, new): (&Node, &Node)| {
        let keeps_output = new.keeps_output;
        Node {
            keeps_output,
            ..old.clone()
        } == *new
    };
    let grows = all.len() > known.len() && known.iter().zip(all).all(same);
    if run.cancelled || !grows {
        return Err(Rejection::RunNotExtended { run: id });
    }
    workflows::check_size(&version)?;
    check_range("steps", 1, limits::RUN_STEPS as u64, all.len() as u64)?;
    let version = Box::new(version);
    Ok(done(now, [Change::StepsAdded { run: id, version }]))
}

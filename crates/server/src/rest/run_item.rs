//! Runs and their steps as answers show them.

use bytes::Bytes;
use capataz_api::problem::Problem;
use capataz_api::rest::{Counts, Run, RunDetail, RunStep, StepEdge, StepElements, TaskState};
use capataz_engine::{Join, NodeKind, On, Phase, RunId, RunPhase, RunView, Timestamp};
use serde_json::Value;

use super::refusal::not_found;
use super::task_item::{some, state, time};
use crate::store::{FanRow, RunRecord, StepPage, StepRecord};

/// What of a live run only the engine knows.
pub(super) struct Live {
    pub(super) view: RunView,
    /// Its message as its steps have altered it.
    pub(super) message: Bytes,
    /// Steps under way whose task waits for a worker, and for a time.
    pub(super) waiting: (u32, u32),
}

impl Live {
    /// What the engine knows of a run; `None` when it has ended or never was.
    pub(super) fn look(state: &capataz_engine::State, run: RunId) -> Option<Live> {
        Some(Live {
            view: state.run_view(run, 0)?,
            message: state.run_context(run)?.message().clone(),
            waiting: state.waiting_steps(run),
        })
    }
}

/// A run by its id. Ids are texts to clients: what no run can have is not found, too.
pub(super) fn id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| not_found("run", text))
}

/// The state on the wire.
pub(super) fn run_state(phase: RunPhase) -> TaskState {
    match phase {
        RunPhase::Queued => TaskState::Queued,
        RunPhase::Running => TaskState::Running,
        RunPhase::Succeeded => TaskState::Succeeded,
        RunPhase::Failed => TaskState::Failed,
        RunPhase::Cancelled => TaskState::Cancelled,
    }
}

/// The state of a name on the wire; `None` for one that runs are never in.
pub(super) fn run_phase(state: TaskState) -> Option<RunPhase> {
    RunPhase::ALL
        .into_iter()
        .find(|phase| run_state(*phase) == state)
}

/// A run as lists show it.
pub(super) fn run(record: &RunRecord, view: Option<&RunView>) -> Run {
    // The engine may have gone on since the store was read: what has ended has ended.
    let view = view.filter(|_| record.phase.is_live());
    let reason = view.map_or(record.reason, |view| match view.phase == record.phase {
        true => view.reason,
        false => record.reason,
    });
    let mut counts = Counts::default();
    for phase in Phase::ALL {
        *counts.get_mut(state(phase)) = record.counts(phase).into();
    }
    Run {
        id: record.id.to_string(),
        workflow: record.workflow.clone(),
        version: record.version,
        state: run_state(record.phase),
        reason: some(reason.name().to_owned()),
        cancelling: view.is_some_and(|view| view.cancelled),
        round: record.round,
        priority: record.priority.into(),
        tags: record.tags.clone(),
        key: record.key.clone(),
        conflict_key: record.conflict.clone(),
        repeats: record.previous.map(|previous| previous.to_string()),
        repetition: record.repetition,
        submitted_at: time(record.submitted_at),
        started_at: record.began_at.map(time),
        finished_at: record.finished_at.map(time),
        counts,
        note: some(record.note.clone()),
    }
}

/// A run that is looked at by itself: its steps under way are told apart.
pub(super) fn single(record: &RunRecord, live: Option<&Live>) -> Run {
    let mut run = run(record, live.map(|live| &live.view));
    let waiting = live.filter(|_| record.phase.is_live());
    let (queued, scheduled) = waiting.map_or((0, 0), |live| live.waiting);
    let counts = &mut run.counts;
    // The engine may be ahead of what the store counts.
    for (waiting, count) in [
        (queued, TaskState::Queued),
        (scheduled, TaskState::Scheduled),
    ] {
        let moved = u64::from(waiting).min(counts.running);
        counts.running -= moved;
        *counts.get_mut(count) += moved;
    }
    run
}

/// A run with steps of it.
pub(super) fn detail(
    record: &RunRecord,
    live: Option<&Live>,
    page: StepPage,
    position: u64,
) -> RunDetail {
    let altered = live.filter(|_| record.phase.is_live());
    let message = altered.map_or(&record.message, |live| &live.message);
    RunDetail {
        run: single(record, live),
        parameters: json(&record.parameters).unwrap_or_default(),
        message: json(message),
        result: json(&record.result),
        steps: page
            .items
            .into_iter()
            .map(|item| step(item, record.submitted_at))
            .collect(),
        step_cursor: page.next,
        position,
    }
}

/// JSON that was kept as bytes; none when there is none.
pub(super) fn json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// A step.
fn step(record: StepRecord, submitted_at: Timestamp) -> RunStep {
    let edges = record.node.after.iter().zip(record.after);
    let edge = |(edge, step): (&capataz_engine::Edge, String)| {
        let on = match edge.on {
            On::Success => "success",
            On::Failure => "failure",
            On::Any => "any",
        };
        let on = on.to_owned();
        StepEdge { step, on }
    };
    let join = match record.node.join {
        Join::All => "all",
        Join::Any => "any",
    };
    let kind = match record.node.kind {
        NodeKind::Task => "task",
        NodeKind::Noop => "noop",
        NodeKind::FanOut => "for_each",
    };
    RunStep {
        after: edges.map(edge).collect(),
        id: record.node.name,
        state: state(record.phase),
        reason: some(record.reason.to_owned()),
        upstream: record.upstream,
        join: join.to_owned(),
        kind: kind.to_owned(),
        allow_failure: record.node.allow_failure,
        round: record.round,
        task: record.task.map(|task| task.to_string()),
        attempt: record.attempt,
        elements: record.fan.map(elements),
        submitted_at: time(submitted_at),
        queued_at: record.queued_at.map(time),
        allocated_at: record.allocated_at.map(time),
        started_at: record.started_at.map(time),
        finished_at: record.finished_at.map(time),
        worker: some(record.worker),
        pod: some(record.pod),
        host: some(record.host),
        note: some(record.note),
    }
}

fn elements(fan: FanRow) -> StepElements {
    StepElements {
        total: fan.count,
        started: fan.started,
        succeeded: fan.succeeded,
        failed: fan.failed,
    }
}

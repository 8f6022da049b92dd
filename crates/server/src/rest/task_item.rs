//! Tasks as answers show them.

use bytes::Bytes;
use capataz_api::proto::AttemptResult;
use capataz_api::rest::{self, Attempt, Blob, Counts, Task, TaskState};
use capataz_api::{Span, Timestamp};
use capataz_engine::{Key, Phase, Reason};
use prost::Message;

use super::refusal::not_found;
use crate::store::{AttemptRecord, ElementCounts, TaskRecord, Verdict};

/// A task or element by its id. Ids are texts to clients: what no task can have is not found, too.
pub(super) fn key(id: &str) -> Result<Key, capataz_api::problem::Problem> {
    id.parse().map_err(|_| not_found("task", id))
}

/// The state on the wire.
pub(super) fn state(phase: Phase) -> TaskState {
    match phase {
        Phase::Blocked => TaskState::Blocked,
        Phase::Scheduled => TaskState::Scheduled,
        Phase::Queued => TaskState::Queued,
        Phase::Running => TaskState::Running,
        Phase::Succeeded => TaskState::Succeeded,
        Phase::Failed => TaskState::Failed,
        Phase::Cancelled => TaskState::Cancelled,
        Phase::Skipped => TaskState::Skipped,
    }
}

/// The state of a name on the wire.
pub(super) fn phase(state: TaskState) -> Phase {
    match state {
        TaskState::Blocked => Phase::Blocked,
        TaskState::Scheduled => Phase::Scheduled,
        TaskState::Queued => Phase::Queued,
        TaskState::Running => Phase::Running,
        TaskState::Succeeded => Phase::Succeeded,
        TaskState::Failed => Phase::Failed,
        TaskState::Cancelled => Phase::Cancelled,
        TaskState::Skipped => Phase::Skipped,
    }
}

/// The reason on the wire; none when there is nothing to add.
pub(super) fn reason(reason: Reason) -> Option<String> {
    some(reason.name().to_owned())
}

/// A time on the wire.
pub(super) fn time(at: capataz_engine::Timestamp) -> Timestamp {
    Timestamp(at.0)
}

pub(super) fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn blob(bytes: Bytes) -> Option<Blob> {
    (!bytes.is_empty()).then_some(Blob(bytes))
}

/// How many elements are where.
pub(super) fn element_counts(elements: &ElementCounts) -> Counts {
    let mut counts = Counts::default();
    for phase in Phase::ALL {
        *counts.get_mut(state(phase)) = elements.of(phase).into();
    }
    counts
}

fn usage(usage: capataz_engine::Usage) -> rest::Usage {
    rest::Usage {
        wall: Span(usage.wall.0),
        cpu: Span(usage.cpu.0),
        peak_memory: usage.peak_memory,
    }
}

/// What an attempt returned. Workers send it encoded and nobody looks at it before it is read, so
/// one that cannot be decoded shows as one that returned nothing.
fn result(bytes: Bytes) -> AttemptResult {
    AttemptResult::decode(bytes).unwrap_or_default()
}

/// A task as lists show it.
pub(super) fn task(record: TaskRecord) -> Task {
    let result = result(record.result);
    Task {
        id: record.key.to_string(),
        group: record.group,
        state: state(record.phase),
        reason: reason(record.reason),
        priority: record.priority.into(),
        tags: record.tags,
        dedup_key: record.dedup_key,
        attempt: record.attempt,
        round: record.round,
        submitted_at: time(record.submitted_at),
        queued_at: record.queued_at.map(time),
        allocated_at: record.allocated_at.map(time),
        started_at: record.started_at.map(time),
        finished_at: record.finished_at.map(time),
        worker: some(record.worker),
        pod: some(record.pod),
        host: some(record.host),
        output: result.output.map(Blob),
        output_cut: result.output_cut,
        message: some(result.message).or(some(record.note)),
        exit_code: result.exit_code,
        signal: result.signal,
        usage: record.usage.map(usage),
        run_at: record.until.map(time),
        meta: None,
        run: record.step.map(|step| step.run.to_string()),
        step: record.step_name,
        element: record.step.and_then(|step| step.element),
        count: record.elements.as_ref().map(|elements| elements.count),
        counts: record.elements.as_ref().map(element_counts),
    }
}

/// An attempt.
pub(super) fn attempt(record: AttemptRecord, submitted_at: capataz_engine::Timestamp) -> Attempt {
    let result = result(record.result);
    let outcome = match record.verdict {
        None => "running",
        Some(Verdict::Stopped) => "cancelled",
        Some(verdict) => verdict.name(),
    };
    Attempt {
        attempt: record.attempt,
        outcome: outcome.to_owned(),
        reason: record.reason.and_then(reason),
        worker: some(record.worker),
        pod: some(record.pod),
        host: some(record.host),
        // Every attempt was leased; only one from before a format that kept the time has none.
        allocated_at: time(record.allocated_at.unwrap_or(submitted_at)),
        started_at: record.started_at.map(time),
        finished_at: record.ended_at.map(time),
        message: some(result.message),
        exit_code: result.exit_code,
        signal: result.signal,
        usage: record.usage.map(usage),
        stdout_tail: blob(result.stdout_tail),
        stderr_tail: blob(result.stderr_tail),
    }
}

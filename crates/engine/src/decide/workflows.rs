//! Registering workflows, and letting their runs begin.

use super::settings::check_room;
use super::{answered, check_range, done};
use crate::command::{Answer, Decision};
use crate::event::Change;
use crate::limits;
use crate::rejection::Rejection;
use crate::state::State;
use crate::time::Timestamp;
use crate::workflow::{Version, WorkflowId};

/// Registers a version. The same content again is the same version.
pub(super) fn put(
    state: &State,
    now: Timestamp,
    name: String,
    version: Version,
) -> Result<Decision, Rejection> {
    let mut changes = Vec::new();
    let (_, number) = place(state, name, version, true, &mut changes)?;
    Ok(answered(now, changes, Answer::Version(number)))
}

/// Finds the number of a version, and names the events that make it known.
pub(super) fn place(
    state: &State,
    name: String,
    version: Version,
    registered: bool,
    changes: &mut Vec<Change>,
) -> Result<(WorkflowId, u32), Rejection> {
    check_size(&version)?;
    let id = number(state, name, changes)?;
    let workflow = state.workflow(id);
    let next = match workflow.and_then(|workflow| workflow.version_of(version.content)) {
        Some(number) => {
            let is_new = workflow.is_some_and(|workflow| workflow.registered != Some(number));
            if registered && is_new {
                changes.push(Change::VersionRegistered {
                    workflow: id,
                    number,
                });
            }
            return Ok((id, number));
        }
        None => workflow.map_or(1, |workflow| workflow.next_version),
    };
    changes.push(Change::VersionStored {
        workflow: id,
        number: next,
        version: Box::new(version),
    });
    if registered {
        changes.push(Change::VersionRegistered {
            workflow: id,
            number: next,
        });
    }
    Ok((id, next))
}

/// Refuses a version that no record takes.
pub(super) fn check_size(version: &Version) -> Result<(), Rejection> {
    let most = limits::VERSION_BYTES as u64;
    check_range("definition", 0, most, version.size() as u64)
}

/// The number of a workflow, and the event that gives a new name one.
pub(super) fn number(
    state: &State,
    name: String,
    changes: &mut Vec<Change>,
) -> Result<WorkflowId, Rejection> {
    if let Some(id) = state.runs.names.get(&name) {
        return Ok(*id);
    }
    check_room(state.runs.workflows.len(), limits::WORKFLOWS, "workflows")?;
    let workflow = WorkflowId(state.meta.next_workflow);
    changes.push(Change::WorkflowCreated { workflow, name });
    Ok(workflow)
}

/// Forgets a registered workflow. Its runs go on.
pub(super) fn remove(state: &State, now: Timestamp, name: String) -> Result<Decision, Rejection> {
    let id = registered(state, &name)?;
    Ok(done(now, [Change::WorkflowRemoved { workflow: id }]))
}

/// Lets runs begin again although the last ones failed.
pub(super) fn clear(state: &State, now: Timestamp, name: String) -> Result<Decision, Rejection> {
    let id = *state
        .runs
        .names
        .get(&name)
        .ok_or(Rejection::UnknownWorkflow { name })?;
    let workflow = state.workflow(id);
    let holds = workflow.is_some_and(|w| w.failures > 0 || w.held_until.is_some());
    Ok(done(
        now,
        holds.then_some(Change::HoldCleared { workflow: id }),
    ))
}

/// Lets the next run of a workflow begin, if one may.
pub(super) fn advance(state: &State, now: Timestamp, id: WorkflowId) -> Decision {
    let workflow = state
        .workflow(id)
        .filter(|workflow| workflow.has_room_for_run());
    let next = workflow.and_then(|workflow| workflow.waiting.first());
    done(now, next.map(|(_, run)| Change::RunBegan { run: *run }))
}

pub(super) fn registered(state: &State, name: &str) -> Result<WorkflowId, Rejection> {
    let id = state.runs.names.get(name).copied();
    let is_registered = |id: &WorkflowId| {
        state
            .workflow(*id)
            .is_some_and(|workflow| workflow.registered.is_some())
    };
    id.filter(is_registered)
        .ok_or_else(|| Rejection::UnknownWorkflow {
            name: name.to_owned(),
        })
}

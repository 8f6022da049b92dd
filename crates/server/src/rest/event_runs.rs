//! What happens to workflows, runs and steps, as users see it.

use capataz_api::rest::{Event, EventType, TaskState};
use capataz_engine::{Change, Event as EngineEvent, Key, RunId, TaskId};

use super::event_items::{bare, submitted};
use super::event_names::Names;
use super::run_item::run_state;
use super::task_item::{some, state};

/// What one event shows of a run.
pub(super) struct Shown {
    pub(super) event: Event,
    pub(super) key: Option<Key>,
    pub(super) run: Option<RunId>,
}

/// What an event shows of workflows and runs; `None` when it is about neither.
pub(super) fn show(event: &EngineEvent, names: &Names) -> Option<Vec<Shown>> {
    let change = &event.change;
    if let Change::StepStarted { .. } = change {
        return Some(tasks(event, names));
    }
    if let Some(event) = of_workflow(change, names) {
        let (key, run) = (None, None);
        return Some(vec![Shown { event, key, run }]);
    }
    let (run, shown) = of_run(change, names)?;
    let event = Event {
        run: Some(run.to_string()),
        ..shown
    };
    let (key, run) = (None, Some(run));
    Some(vec![Shown { event, key, run }])
}

/// The tasks that a step, or elements of it, became.
fn tasks(event: &EngineEvent, names: &Names) -> Vec<Shown> {
    let Change::StepStarted {
        run,
        step,
        element,
        first,
        tasks,
        ..
    } = &event.change
    else {
        return Vec::new();
    };
    let shown = (0_u32..).zip(tasks).map(|(offset, accepted)| {
        let id = TaskId(first.0 + u64::from(offset));
        Shown {
            event: Event {
                run: Some(run.to_string()),
                step: names.step(*run, *step),
                element: element.map(|from| from + offset),
                ..submitted(id, accepted, event.at, names)
            },
            key: Some(id.key()),
            run: Some(*run),
        }
    });
    shown.collect()
}

fn of_workflow(change: &Change, names: &Names) -> Option<Event> {
    match change {
        Change::VersionRegistered { workflow, number } => Some(Event {
            workflow: names.workflow(*workflow),
            note: Some(format!("version {number}")),
            ..bare(EventType::WorkflowSet)
        }),
        Change::WorkflowRemoved { workflow } => Some(Event {
            workflow: names.workflow(*workflow),
            ..bare(EventType::WorkflowRemoved)
        }),
        _ => None,
    }
}

fn of_run(change: &Change, names: &Names) -> Option<(RunId, Event)> {
    Some(match change {
        Change::RunStarted { run, workflow, .. } => (
            *run,
            Event {
                workflow: names.workflow(*workflow),
                state: Some(TaskState::Queued),
                ..bare(EventType::RunStarted)
            },
        ),
        Change::RunBegan { run } => {
            let state = Some(TaskState::Running);
            let event = bare(EventType::RunBegan);
            (*run, Event { state, ..event })
        }
        Change::RunPaused { run, on } => {
            let kind = match on {
                true => EventType::RunPaused,
                false => EventType::RunResumed,
            };
            (*run, bare(kind))
        }
        Change::RunCancelled { run, note } => {
            let note = some(note.clone());
            let event = bare(EventType::RunCancelled);
            (*run, Event { note, ..event })
        }
        Change::RunReopened { run, steps, .. } => {
            let (state, count) = (Some(TaskState::Running), Some(steps.len() as u32));
            let event = bare(EventType::RunReopened);
            (
                *run,
                Event {
                    state,
                    count,
                    ..event
                },
            )
        }
        Change::StepsAdded { run, version } => {
            let count = Some(version.graph.steps.len() as u32);
            let event = bare(EventType::StepsAdded);
            (*run, Event { count, ..event })
        }
        Change::FanOpened {
            run, step, count, ..
        } => (
            *run,
            Event {
                step: names.step(*run, *step),
                state: Some(TaskState::Running),
                count: Some(*count),
                ..bare(EventType::StepOpened)
            },
        ),
        Change::StepDecided {
            run,
            step,
            outcome,
            note,
        } => (
            *run,
            Event {
                step: names.step(*run, *step),
                state: Some(state(outcome.phase)),
                reason: some(outcome.reason.name().to_owned()),
                note: some(note.clone()),
                ..bare(EventType::StepEnded)
            },
        ),
        Change::RunEnded {
            run,
            phase,
            reason,
            note,
            ..
        } => (
            *run,
            Event {
                state: Some(run_state(*phase)),
                reason: some(reason.name().to_owned()),
                note: some(note.clone()),
                ..bare(EventType::RunEnded)
            },
        ),
        _ => return None,
    })
}

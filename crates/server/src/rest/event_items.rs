//! The engine's events as users see them. What concerns nobody outside (terms, polls) is left out.

use capataz_api::rest::{Event, EventType, TaskState};
use capataz_engine::{
    Accepted, Change, Event as EngineEvent, Key, Next, Outcome, Phase, RunId, TaskId, Timestamp,
};

use super::event_cursor::EventCursor;
use super::event_names::Names;
use super::event_runs;
use super::task_item::{reason, state, time};

/// What one event of a record shows.
pub(super) struct Item {
    pub(super) cursor: EventCursor,
    pub(super) event: Event,
    /// The task that it concerns.
    pub(super) key: Option<Key>,
    /// The run that it concerns; of a task's later events `event_tasks` finds it out.
    pub(super) run: Option<RunId>,
}

/// The items of the event at `place` of the record at `record`.
pub(super) fn items(record: u64, place: u32, event: &EngineEvent, names: &Names) -> Vec<Item> {
    let cursor = |task| EventCursor {
        record,
        event: place,
        task,
    };
    if let Change::Submitted { first, tasks, .. } = &event.change {
        let submitted = (0_u32..).zip(tasks).map(|(offset, accepted)| {
            let id = TaskId(first.0 + u64::from(offset));
            let cursor = cursor(offset);
            let shown = submitted(id, accepted, event.at, names);
            Item {
                cursor,
                event: finish(shown, cursor, event.at),
                key: Some(id.key()),
                run: None,
            }
        });
        return submitted.collect();
    }
    if let Some(shown) = event_runs::show(event, names) {
        let items = (0_u32..).zip(shown).map(|(offset, shown)| {
            let cursor = cursor(offset);
            Item {
                cursor,
                event: finish(shown.event, cursor, event.at),
                key: shown.key,
                run: shown.run,
            }
        });
        return items.collect();
    }
    let Some((shown, key)) = show(&event.change, names) else {
        return Vec::new();
    };
    let cursor = cursor(0);
    vec![Item {
        cursor,
        event: finish(shown, cursor, event.at),
        key,
        run: None,
    }]
}

fn finish(mut event: Event, cursor: EventCursor, at: Timestamp) -> Event {
    event.cursor = cursor.to_string();
    event.at = time(at);
    event
}

/// An event with nothing but its type.
pub(super) fn bare(kind: EventType) -> Event {
    Event {
        cursor: String::new(),
        at: capataz_api::Timestamp(0),
        r#type: kind,
        task: None,
        attempt: None,
        group: None,
        state: None,
        reason: None,
        worker: None,
        pod: None,
        run: None,
        step: None,
        element: None,
        workflow: None,
        count: None,
        note: None,
    }
}

pub(super) fn submitted(id: TaskId, accepted: &Accepted, at: Timestamp, names: &Names) -> Event {
    let waits = accepted.task.not_before.is_some_and(|until| until > at);
    Event {
        task: Some(id.to_string()),
        group: names.group(accepted.group),
        state: Some(if waits {
            TaskState::Scheduled
        } else {
            TaskState::Queued
        }),
        count: accepted.task.count,
        ..bare(EventType::TaskSubmitted)
    }
}

fn of_task(kind: EventType, key: Key) -> Event {
    Event {
        task: Some(key.to_string()),
        ..bare(kind)
    }
}

fn of_attempt(kind: EventType, key: Key, attempt: u32) -> Event {
    Event {
        attempt: Some(attempt),
        ..of_task(kind, key)
    }
}

fn show(change: &Change, names: &Names) -> Option<(Event, Option<Key>)> {
    match change {
        Change::Due { key } => {
            let state = Some(TaskState::Queued);
            Some((
                Event {
                    state,
                    ..of_task(EventType::TaskQueued, *key)
                },
                Some(*key),
            ))
        }
        Change::Leased {
            key,
            attempt,
            worker,
        } => {
            let state = Some(TaskState::Running);
            let leased = of_attempt(EventType::AttemptLeased, *key, *attempt);
            Some((
                Event {
                    state,
                    worker: names.worker(*worker),
                    ..leased
                },
                Some(*key),
            ))
        }
        Change::Started { key, attempt, .. } => {
            let state = Some(TaskState::Running);
            let started = of_attempt(EventType::AttemptStarted, *key, *attempt);
            Some((Event { state, ..started }, Some(*key)))
        }
        Change::AttemptEnded {
            key,
            attempt,
            outcome,
            next,
            ..
        } => Some((ended(*key, *attempt, outcome, next), Some(*key))),
        Change::LeaseReleased { key, attempt, .. } => {
            let note = Some("its task had ended before".to_owned());
            let ended = of_attempt(EventType::AttemptEnded, *key, *attempt);
            Some((Event { note, ..ended }, Some(*key)))
        }
        Change::Closed {
            key,
            phase,
            reason: why,
            note,
        } => {
            let closed = Event {
                state: Some(state(*phase)),
                reason: reason(*why),
                note: (!note.is_empty()).then(|| note.clone()),
                ..of_task(EventType::TaskClosed, *key)
            };
            Some((closed, Some(*key)))
        }
        Change::Revived { key, group, .. } => {
            let (group, state) = (names.group(*group), Some(TaskState::Queued));
            Some((
                Event {
                    group,
                    state,
                    ..of_task(EventType::TaskRetried, *key)
                },
                Some(*key),
            ))
        }
        other => show_others(other, names),
    }
}

/// What concerns groups, pods, workers and leaders.
fn show_others(change: &Change, names: &Names) -> Option<(Event, Option<Key>)> {
    let of_worker = |kind, worker| Event {
        worker: names.worker(worker),
        ..bare(kind)
    };
    let of_pod = |kind, pod| Event {
        pod: names.pod(pod),
        ..bare(kind)
    };
    let event = match change {
        Change::EpochStarted { writer, .. } => Event {
            note: Some(writer.clone()),
            ..bare(EventType::LeaderStarted)
        },
        Change::GroupCreated { name, .. } => Event {
            group: Some(name.clone()),
            ..bare(EventType::GroupSet)
        },
        Change::GroupSet { group, .. } => Event {
            group: names.group(*group),
            ..bare(EventType::GroupSet)
        },
        Change::PodCreated { name, .. } => Event {
            pod: Some(name.clone()),
            ..bare(EventType::PodSet)
        },
        Change::PodSet { pod, .. } => of_pod(EventType::PodSet, *pod),
        Change::PodReleased { pod } => of_pod(EventType::PodReleased, *pod),
        Change::SlotReleased { pod, key, attempt } => {
            let task = of_attempt(EventType::PodReleased, *key, *attempt);
            return Some((
                Event {
                    pod: names.pod(*pod),
                    ..task
                },
                Some(*key),
            ));
        }
        Change::Joined { pod, hello, .. } => {
            let worker = Some(hello.name.clone());
            Event {
                worker,
                ..of_pod(EventType::WorkerJoined, *pod)
            }
        }
        Change::TokenCreated { id, token } => {
            let note = [
                id.to_string(),
                token.role.name().to_owned(),
                token.name.clone(),
            ];
            Event {
                note: Some(note.join(" ").trim_end().to_owned()),
                ..bare(EventType::TokenCreated)
            }
        }
        Change::TokenRevoked { id } => Event {
            note: Some(id.to_string()),
            ..bare(EventType::TokenRevoked)
        },
        Change::Detached { worker } => of_worker(EventType::WorkerDetached, *worker),
        Change::Left { worker, lost } => {
            let reason = lost.then(|| "lost".to_owned());
            Event {
                reason,
                ..of_worker(EventType::WorkerLeft, *worker)
            }
        }
        Change::DrainSet { worker, on } => {
            let reason = (!on).then(|| "lifted".to_owned());
            Event {
                reason,
                ..of_worker(EventType::WorkerDraining, *worker)
            }
        }
        _ => return None,
    };
    Some((event, None))
}

fn ended(key: Key, attempt: u32, outcome: &Outcome, next: &Next) -> Event {
    let phase = match next {
        Next::Over { phase, .. } => *phase,
        Next::Queued => Phase::Queued,
        Next::Scheduled { .. } => Phase::Scheduled,
    };
    let why = match (outcome, next) {
        (_, Next::Over { reason: why, .. }) => reason(*why),
        (Outcome::Failed { reason: why, .. }, _) => reason(*why),
        (Outcome::Lost, _) => reason(capataz_engine::Reason::WorkerLost),
        (Outcome::Released, _) => Some("released".to_owned()),
        (_, Next::Scheduled { reason: why, .. }) => reason(*why),
        (_, Next::Queued) => None,
    };
    let event = of_attempt(EventType::AttemptEnded, key, attempt);
    Event {
        state: Some(state(phase)),
        reason: why,
        ..event
    }
}

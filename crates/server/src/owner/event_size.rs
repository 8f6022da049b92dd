//! About how large events are on record, so that a turn ends before its record is too large.

use capataz_engine::{Accepted, Change, Event};

/// What an event takes beside its bodies.
const EVENT_BYTES: usize = 48;

/// About how many bytes of a record an event takes.
pub(super) fn event_size(event: &Event) -> usize {
    EVENT_BYTES
        + match &event.change {
            Change::Submitted { tasks, .. } | Change::StepStarted { tasks, .. } => of_tasks(tasks),
            Change::AttemptEnded { output, .. } => output.len(),
            Change::Joined { groups, .. } => groups.len() * 16 + 256,
            Change::TokenCreated { token, .. } => {
                let groups = token.role.groups().unwrap_or_default();
                groups.iter().map(String::len).sum::<usize>() + 512
            }
            Change::VersionStored { version, .. } | Change::StepsAdded { version, .. } => {
                version.size()
            }
            Change::RunStarted { new, .. } => {
                new.parameters.len() + new.message.len() + new.body.len() + new.expected.len() * 4
            }
            Change::FanOpened { items, .. } => items.len(),
            Change::StepReturned { value, .. } => value.len(),
            Change::StepDecided { note, .. } => note.len(),
            Change::RunReopened { archive, steps, .. } => {
                archive.as_ref().map_or(0, bytes::Bytes::len) + steps.len() * 4
            }
            Change::RunEnded { note, result, .. } => note.len() + result.len(),
            _ => 0,
        }
}

fn of_tasks(tasks: &[Accepted]) -> usize {
    let size = |accepted: &Accepted| accepted.task.body.len() + EVENT_BYTES;
    tasks.iter().map(size).sum()
}

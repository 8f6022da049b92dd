//! Lines of the audit trail about what callers do to groups, pods, workers, tokens and workflows.
//! What happens to these by the rules alone is none of it.

use capataz_engine::{Change, Timestamp};

use super::audit_row::{Action, AuditRow, Subject};
use super::run_work::RunWork;

impl RunWork {
    pub(super) fn audit_settings(&mut self, at: Timestamp, change: &Change, actor: Option<String>) {
        let Some(actor) = actor else { return };
        let Some((action, subject, note)) = line(change) else {
            return;
        };
        self.audit.push(AuditRow {
            actor: Some(actor),
            subject,
            note,
            ..AuditRow::new(at, action)
        });
    }
}

fn line(change: &Change) -> Option<(Action, Subject, String)> {
    Some(match change {
        Change::GroupSet {
            group,
            max_running,
            paused,
        } => {
            let bound = max_running.map(|max| match max {
                Some(max) => format!("max_running {max}"),
                None => "max_running none".to_owned(),
            });
            let paused = paused.map(paused_word);
            let note = joined([bound, paused]);
            (Action::GroupSet, Subject::Group(*group), note)
        }
        Change::PodSet { pod, settings } => {
            let slots = settings.slots.map(|slots| format!("slots {slots}"));
            let on_lost = settings.on_lost.map(|on_lost| match on_lost {
                capataz_engine::OnLost::Time => "on_lost time".to_owned(),
                capataz_engine::OnLost::Hold => "on_lost hold".to_owned(),
            });
            let paused = settings.paused.map(paused_word);
            let note = joined([slots, on_lost, paused]);
            (Action::PodSet, Subject::Pod(*pod), note)
        }
        Change::PodReleased { pod } => (Action::PodReleased, Subject::Pod(*pod), String::new()),
        Change::DrainSet { worker, on } => {
            let action = match on {
                true => Action::WorkerDrained,
                false => Action::WorkerResumed,
            };
            (action, Subject::Worker(*worker), String::new())
        }
        Change::TokenCreated { id, token } => {
            let note = joined([
                Some(token.role.name().to_owned()),
                Some(token.name.clone()).filter(|name| !name.is_empty()),
            ]);
            (Action::TokenCreated, Subject::Named(id.to_string()), note)
        }
        Change::TokenRevoked { id } => {
            let subject = Subject::Named(id.to_string());
            (Action::TokenRevoked, subject, String::new())
        }
        Change::VersionRegistered { workflow, number } => {
            let note = format!("version {number}");
            (
                Action::WorkflowRegistered,
                Subject::Workflow(*workflow),
                note,
            )
        }
        Change::WorkflowRemoved { workflow } => {
            let subject = Subject::Workflow(*workflow);
            (Action::WorkflowRemoved, subject, String::new())
        }
        Change::HoldCleared { workflow } => {
            let subject = Subject::Workflow(*workflow);
            (Action::HoldCleared, subject, String::new())
        }
        _ => return None,
    })
}

fn paused_word(paused: bool) -> String {
    match paused {
        true => "paused".to_owned(),
        false => "resumed".to_owned(),
    }
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

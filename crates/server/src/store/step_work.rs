//! What the events of tasks mean for the steps that they are, and the audit trail of it.

use bytes::Bytes;
use capataz_api::proto::AttemptResult;
use capataz_engine::{Change, Key, Outcome, Phase, RunId, StepReason, TaskId, Timestamp};
use prost::Message;

use super::audit_row::{Action, AuditRow, Subject};
use super::row::StepTask;
use super::run_work::in_millis;
use super::work::{self, Work};

/// Characters that a line has of what a worker said: the whole is in the attempt.
const NOTE_CHARS: usize = 200;

impl Work {
    pub(super) fn start_step(&mut self, at: Timestamp, change: &Change) {
        let Change::StepStarted {
            run,
            step,
            element,
            first,
            tasks,
            ..
        } = change
        else {
            return;
        };
        let (run, step, element) = (*run, *step, *element);
        self.submitted(at, *first, tasks, |offset| {
            let element = element.map(|from| from.saturating_add(offset));
            Some(StepTask { run, step, element })
        });
        let ids = (first.0..first.0 + tasks.len() as u64).map(TaskId);
        let started: Vec<(TaskId, Phase)> = ids
            .filter_map(|id| Some((id, self.rows.get(&id.key())?.row.phase)))
            .collect();
        self.runs.start_step(at, (run, step), element, &started);
    }

    /// What is about one task or attempt.
    pub(super) fn fold_one(&mut self, at: Timestamp, change: &Change, actor: Option<String>) {
        let Some(key) = work::subject(change) else {
            return;
        };
        let before = self
            .rows
            .get(&key)
            .map(|slot| (slot.row.phase, slot.row.step));
        self.fold_task(at, change);
        self.fold_attempt(at, change);
        let (was, step) = before.unzip();
        let step = step.flatten();
        if step.is_none() && actor.is_none() {
            return;
        }
        let run = step.and_then(|step| self.runs.runs.get(&step.run));
        if run.is_some_and(|run| run.row.holds_tasks())
            && let Some(slot) = self.rows.get_mut(&key)
        {
            slot.row.hold();
        }
        self.follow_step(change, was, step, key);
        self.audit_task(at, change, (key, was, step), actor);
    }

    /// What the end of a task means for its step.
    fn follow_step(
        &mut self,
        change: &Change,
        was: Option<Phase>,
        step: Option<StepTask>,
        key: Key,
    ) {
        let (Some(step), Some(slot)) = (step, self.rows.get(&key)) else {
            return;
        };
        let now = slot.row.phase;
        if now.is_live() || was.is_some_and(|was| !was.is_live()) {
            return;
        }
        if step.element.is_some() {
            return self.runs.end_element((step.run, step.step), now);
        }
        let succeeded = |outcome: &Outcome| *outcome == Outcome::Succeeded;
        if let Change::AttemptEnded { outcome, usage, .. } = change
            && succeeded(outcome)
        {
            let took = in_millis(usage.wall.0);
            self.runs.times.push((step.run, step.step, took));
        }
    }

    /// Tasks of steps are on record line by line, and what callers do to any task.
    fn audit_task(
        &mut self,
        at: Timestamp,
        change: &Change,
        (key, was, step): (Key, Option<Phase>, Option<StepTask>),
        actor: Option<String>,
    ) {
        let (action, attempt, subject) = match change {
            Change::Due { .. } => (Action::TaskDue, None, Subject::None),
            Change::Closed { .. } => (Action::TaskClosed, None, Subject::None),
            Change::Revived { .. } => (Action::TaskRetried, None, Subject::None),
            Change::Leased {
                attempt, worker, ..
            } => (
                Action::AttemptLeased,
                Some(*attempt),
                Subject::Worker(*worker),
            ),
            Change::Started { attempt, .. } => {
                (Action::AttemptStarted, Some(*attempt), Subject::None)
            }
            Change::AttemptEnded { attempt, .. } => {
                (Action::AttemptEnded, Some(*attempt), Subject::None)
            }
            Change::LeaseReleased { attempt, .. } => {
                (Action::LeaseReleased, Some(*attempt), Subject::None)
            }
            _ => return,
        };
        let row = self.rows.get(&key).map(|slot| &slot.row);
        let now = row.map(|row| row.phase);
        // The end of a lease whose task was decided before changes nothing about the task.
        let (was, now) = match action {
            Action::LeaseReleased => (None, None),
            _ => (was, now),
        };
        self.runs.audit.push(AuditRow {
            actor,
            run: step.map(|step| step.run),
            step: step.map(|step| step.step),
            item: step.and_then(|step| step.element),
            task: Some(key),
            attempt,
            was,
            now,
            reason: row.map_or("", |row| row.reason.name()),
            note: match change {
                Change::Closed { note, .. } => note.clone(),
                Change::AttemptEnded {
                    outcome, output, ..
                } => went_wrong(outcome, output),
                _ => String::new(),
            },
            subject,
            ..AuditRow::new(at, action)
        });
    }

    /// Holds the waiting tasks of a paused or cancelled run back, or lets them wait for a worker again.
    pub(super) fn hold_tasks(&mut self, at: Timestamp, run: RunId, on: bool) {
        let keys = self.runs.tasks.get(&run).cloned().unwrap_or_default();
        let ends = self
            .runs
            .runs
            .get(&run)
            .is_some_and(|run| run.row.cancelled);
        for key in keys {
            let Some(slot) = self.rows.get_mut(&key) else {
                continue;
            };
            let was = slot.row.phase;
            match on {
                true => slot.row.hold(),
                false => slot.row.unhold(at),
            }
            let now = slot.row.phase;
            if was == now {
                continue;
            }
            slot.dirty = true;
            let action = match on {
                true => Action::TaskHeld,
                false => Action::TaskReleased,
            };
            let step = slot.row.step;
            self.runs.audit.push(AuditRow {
                run: Some(run),
                step: step.map(|step| step.step),
                item: step.and_then(|step| step.element),
                task: Some(key),
                was: Some(was),
                now: Some(now),
                reason: match ends {
                    true => StepReason::RunCancelled.name(),
                    false => slot.row.reason.name(),
                },
                ..AuditRow::new(at, action)
            });
        }
    }
}

/// What went wrong with an attempt: why it failed, and what its worker says. What becomes of the task
/// is another matter, of which `reason` tells.
fn went_wrong(outcome: &Outcome, output: &Bytes) -> String {
    let why = match outcome {
        Outcome::Failed { reason, .. } => reason.name(),
        Outcome::Lost => "lost",
        Outcome::Succeeded | Outcome::Again { .. } | Outcome::Released => return String::new(),
    };
    let result = AttemptResult::decode(output.clone()).unwrap_or_default();
    let code = result.exit_code.map(|code| format!("exit code {code}"));
    let signal = result.signal.map(|signal| format!("signal {signal}"));
    let said = Some(result.message).filter(|message| !message.is_empty());
    match said.or(code).or(signal) {
        Some(said) => {
            let said: String = said.chars().take(NOTE_CHARS).collect();
            format!("{why}: {said}")
        }
        None => why.to_owned(),
    }
}

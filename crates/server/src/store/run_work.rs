//! What one transaction changes of workflows and runs, in memory, and the audit trail of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use capataz_engine::{
    Change, Graph, Key, NewRun, Phase, PodId, RunId, RunPhase, StepOutcome, StepReason, TaskId,
    Timestamp, Version, WorkflowId,
};

use super::audit_row::{Action, AuditRow};
use super::graphs::VersionKey;
use super::run_row::{RunRow, Standing, StepRow};

/// A row in memory.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) row: T,
    pub(super) dirty: bool,
}

/// What happened to the name of a workflow.
pub(super) enum Naming {
    Created(WorkflowId, String),
    /// New runs follow that version, or none.
    Registered(WorkflowId, Option<u32>),
}

/// A version that the store is to get.
pub(super) struct NewVersion {
    pub(super) key: VersionKey,
    pub(super) at: Timestamp,
    pub(super) version: Box<Version>,
}

/// What one transaction changes of workflows and runs.
#[derive(Default)]
pub(super) struct RunWork {
    pub(super) runs: BTreeMap<RunId, Kept<RunRow>>,
    pub(super) steps: BTreeMap<(RunId, u32), Kept<StepRow>>,
    /// Tasks of each run that may wait: what its pause holds back.
    pub(super) tasks: BTreeMap<RunId, Vec<Key>>,
    pub(super) namings: Vec<Naming>,
    pub(super) versions: Vec<NewVersion>,
    /// Runs that were started, with the tags that their bodies name.
    pub(super) started: Vec<(RunId, Vec<String>)>,
    /// What runs follow to which steps were added.
    pub(super) own: BTreeMap<RunId, Box<Version>>,
    /// Graphs of versions that runs of this transaction follow.
    pub(super) graphs: BTreeMap<VersionKey, Arc<Graph>>,
    pub(super) pods: Vec<(PodId, Option<String>)>,
    /// How long steps took, in milliseconds.
    pub(super) times: Vec<(RunId, u32, u32)>,
    pub(super) audit: Vec<AuditRow>,
    /// Whose doing the next events are, and how many of them.
    acting: Option<(String, u32)>,
}

impl RunWork {
    /// The next events are a caller's doing.
    pub(super) fn act(&mut self, actor: &str, events: u32) {
        self.acting = Some((actor.to_owned(), events));
    }

    /// Whose doing the event at hand is.
    pub(super) fn actor(&mut self) -> Option<String> {
        let (actor, left) = self.acting.as_mut()?;
        let actor = actor.clone();
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.acting = None;
        }
        Some(actor)
    }

    pub(super) fn fold(&mut self, at: Timestamp, change: &Change, actor: Option<String>) {
        match change {
            Change::WorkflowCreated { workflow, name } => {
                self.namings.push(Naming::Created(*workflow, name.clone()));
            }
            Change::VersionStored {
                workflow,
                number,
                version,
            } => {
                let key = (*workflow, *number);
                self.graphs.insert(key, Arc::new(version.graph.clone()));
                let version = version.clone();
                self.versions.push(NewVersion { key, at, version });
            }
            Change::VersionRegistered { workflow, number } => {
                self.namings
                    .push(Naming::Registered(*workflow, Some(*number)));
            }
            Change::WorkflowRemoved { workflow } => {
                self.namings.push(Naming::Registered(*workflow, None));
            }
            Change::RunStarted {
                run,
                workflow,
                version,
                new,
                ..
            } => self.start(at, *run, (*workflow, *version), new, actor),
            Change::RunBegan { run } => self.begin(at, *run, actor),
            Change::RunCancelled { run, note } => self.cancel(at, *run, note, actor),
            Change::FanOpened {
                run, step, count, ..
            } => self.open_fan(at, (*run, *step), *count),
            Change::StepDecided {
                run,
                step,
                outcome,
                note,
            } => self.decide(at, (*run, *step), *outcome, note),
            Change::StepsAdded { run, version } => self.add_steps(at, *run, version, actor),
            Change::RunReopened { run, steps, .. } => self.reopen(at, *run, steps, actor),
            Change::RunEnded { .. } => self.end(at, change),
            _ => {}
        }
    }

    fn start(
        &mut self,
        at: Timestamp,
        run: RunId,
        version: VersionKey,
        new: &NewRun,
        actor: Option<String>,
    ) {
        let mut row = RunRow::accepted(at, version, new);
        let graph = self.graphs.get(&version);
        row.steps = graph.map_or(0, |graph| graph.steps.len() as u32);
        let body = crate::workflow::RunBody::read(&new.body);
        self.started.push((run, body.tags));
        self.runs.insert(run, Kept { row, dirty: true });
        self.audit.push(AuditRow {
            actor,
            run: Some(run),
            now: Some(Phase::Queued),
            note: new
                .previous
                .map_or(String::new(), |previous| format!("repeats {previous}")),
            ..AuditRow::new(at, Action::RunStarted)
        });
    }

    fn begin(&mut self, at: Timestamp, run: RunId, actor: Option<String>) {
        if let Some(row) = self.edit_run(run) {
            row.begin(at);
        }
        self.audit.push(AuditRow {
            actor,
            was: Some(Phase::Queued),
            now: Some(Phase::Running),
            ..of_run(at, Action::RunBegan, run)
        });
    }

    /// A run's steps are held back, or not any more.
    pub(super) fn pause(&mut self, at: Timestamp, run: RunId, on: bool, actor: Option<String>) {
        if let Some(row) = self.edit_run(run) {
            row.pause(on);
        }
        let action = match on {
            true => Action::RunPaused,
            false => Action::RunResumed,
        };
        self.audit.push(AuditRow {
            actor,
            ..of_run(at, action, run)
        });
    }

    fn cancel(&mut self, at: Timestamp, run: RunId, note: &str, actor: Option<String>) {
        if let Some(row) = self.edit_run(run) {
            note.clone_into(&mut row.note);
            row.cancelled = true;
        }
        self.audit.push(AuditRow {
            actor,
            note: note.to_owned(),
            ..of_run(at, Action::RunCancelRequested, run)
        });
    }

    fn open_fan(&mut self, at: Timestamp, key: (RunId, u32), count: u32) {
        self.change_step(key, |step| step.open_fan(at, count));
        self.audit.push(AuditRow {
            step: Some(key.1),
            was: Some(Phase::Blocked),
            now: Some(Phase::Running),
            note: format!("{count} elements"),
            ..of_run(at, Action::StepOpened, key.0)
        });
    }

    /// A step, or elements of it, became tasks.
    pub(super) fn start_step(
        &mut self,
        at: Timestamp,
        key: (RunId, u32),
        element: Option<u32>,
        tasks: &[(TaskId, Phase)],
    ) {
        let Some((first, phase)) = tasks.first().copied() else {
            return;
        };
        let known = self.tasks.entry(key.0).or_default();
        known.extend(tasks.iter().map(|(task, _)| task.key()));
        let line = AuditRow {
            step: Some(key.1),
            task: Some(first.key()),
            now: Some(phase),
            ..of_run(at, Action::StepQueued, key.0)
        };
        let count = tasks.len() as u32;
        match element {
            None => {
                self.change_step(key, |step| step.start(at, first));
                let was = Some(Phase::Blocked);
                self.audit.push(AuditRow { was, ..line });
            }
            Some(from) => {
                self.change_step(key, |step| step.start_elements(count));
                let last = from.saturating_add(count - 1);
                self.audit.push(AuditRow {
                    action: Action::ElementsQueued,
                    item: Some(from),
                    note: format!("elements {from} to {last}"),
                    ..line
                });
            }
        }
    }

    fn decide(&mut self, at: Timestamp, key: (RunId, u32), outcome: StepOutcome, note: &str) {
        let mut was = Standing::Blocked;
        let mut took = None;
        self.change_step(key, |step| {
            was = step.standing;
            step.decide(at, outcome, note);
            let opened = step.queued_at.filter(|_| step.fan.is_some());
            took = opened.map(|opened| at.0.saturating_sub(opened.0));
        });
        if let Some(took) = took.filter(|_| outcome.phase == Phase::Succeeded) {
            self.times.push((key.0, key.1, in_millis(took)));
        }
        let (item, about) = match outcome.reason {
            StepReason::Upstream(step) => (Some(step), String::new()),
            StepReason::Elements(failed) => (None, format!("{failed} elements did not succeed")),
            _ => (None, String::new()),
        };
        self.audit.push(AuditRow {
            step: Some(key.1),
            item,
            was: Some(was.phase()),
            now: Some(outcome.phase),
            reason: outcome.reason.name(),
            note: if note.is_empty() {
                about
            } else {
                note.to_owned()
            },
            ..of_run(at, Action::StepEnded, key.0)
        });
    }

    fn add_steps(&mut self, at: Timestamp, run: RunId, version: &Version, actor: Option<String>) {
        let count = version.graph.steps.len() as u32;
        let before = self
            .edit_run(run)
            .map(|row| std::mem::replace(&mut row.steps, count));
        self.own.insert(run, Box::new(version.clone()));
        let added = count.saturating_sub(before.unwrap_or(count));
        self.audit.push(AuditRow {
            actor,
            item: before,
            note: format!("{added} steps"),
            ..of_run(at, Action::StepsAdded, run)
        });
    }

    fn reopen(&mut self, at: Timestamp, run: RunId, steps: &[u32], actor: Option<String>) {
        let was = self.runs.get(&run).map(|kept| wire_phase(kept.row.phase));
        if let Some(row) = self.edit_run(run) {
            row.reopen();
        }
        self.audit.push(AuditRow {
            actor: actor.clone(),
            was,
            now: Some(Phase::Running),
            note: format!("{} steps", steps.len()),
            ..of_run(at, Action::RunReopened, run)
        });
        for step in steps {
            let mut was = Standing::Blocked;
            self.change_step((run, *step), |row| {
                was = row.standing;
                row.reopen();
            });
            self.audit.push(AuditRow {
                actor: actor.clone(),
                step: Some(*step),
                was: Some(was.phase()),
                now: Some(Phase::Blocked),
                ..of_run(at, Action::StepReopened, run)
            });
        }
    }

    fn end(&mut self, at: Timestamp, change: &Change) {
        let Change::RunEnded {
            run,
            phase,
            reason,
            note,
            result,
        } = change
        else {
            return;
        };
        let was = self.runs.get(run).map(|kept| wire_phase(kept.row.phase));
        if let Some(row) = self.edit_run(*run) {
            row.end(at, *phase, *reason);
            row.result = result.clone();
            if !note.is_empty() {
                row.note.clone_from(note);
            }
        }
        self.audit.push(AuditRow {
            was,
            now: Some(wire_phase(*phase)),
            reason: reason.name(),
            note: note.clone(),
            ..of_run(at, Action::RunEnded, *run)
        });
    }

    /// An element of a fan-out has ended.
    pub(super) fn end_element(&mut self, key: (RunId, u32), phase: Phase) {
        if let Some(kept) = self.steps.get_mut(&key) {
            kept.row.end_element(phase);
            kept.dirty = true;
        }
    }

    /// Changes a run. One that is not there was removed by retention.
    fn edit_run(&mut self, run: RunId) -> Option<&mut RunRow> {
        let kept = self.runs.get_mut(&run)?;
        kept.dirty = true;
        Some(&mut kept.row)
    }

    /// Changes a step, and its run's counts with it.
    fn change_step(&mut self, key: (RunId, u32), change: impl FnOnce(&mut StepRow)) {
        if !self.runs.contains_key(&key.0) {
            return;
        }
        let fresh = || Kept {
            row: StepRow::new(),
            dirty: true,
        };
        let kept = self.steps.entry(key).or_insert_with(fresh);
        let was = kept.row.standing;
        change(&mut kept.row);
        kept.dirty = true;
        let now = kept.row.standing;
        if let Some(run) = self.edit_run(key.0) {
            run.follow(was, now);
        }
    }
}

fn of_run(at: Timestamp, action: Action, run: RunId) -> AuditRow {
    AuditRow {
        run: Some(run),
        ..AuditRow::new(at, action)
    }
}

pub(super) fn in_millis(micros: u64) -> u32 {
    u32::try_from(micros.div_ceil(1_000)).unwrap_or(u32::MAX)
}

/// A run's state among those of tasks, of which they are five.
pub(super) fn wire_phase(phase: RunPhase) -> Phase {
    match phase {
        RunPhase::Queued => Phase::Queued,
        RunPhase::Running => Phase::Running,
        RunPhase::Succeeded => Phase::Succeeded,
        RunPhase::Failed => Phase::Failed,
        RunPhase::Cancelled => Phase::Cancelled,
    }
}

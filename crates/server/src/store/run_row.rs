//! A run and its steps, as the store remembers them, and what each event does to them.

use bytes::Bytes;
use capataz_engine::{
    NewRun, Phase, RunId, RunPhase, RunReason, StepOutcome, StepReason, TaskId, Timestamp,
    WorkflowId,
};
use serde::{Deserialize, Serialize};

use super::row::Counts;

/// A run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct RunRow {
    pub(super) workflow: WorkflowId,
    pub(super) version: u32,
    pub(super) phase: RunPhase,
    pub(super) reason: RunReason,
    /// From 1: reopening it begins the next.
    pub(super) round: u32,
    pub(super) priority: u8,
    pub(super) repetition: u32,
    pub(super) previous: Option<RunId>,
    pub(super) submitted_at: Timestamp,
    pub(super) began_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    /// Its steps; 0 until they were counted.
    pub(super) steps: u32,
    /// How many of its steps have ended, by state.
    pub(super) ended: Counts,
    /// Steps that were started and have not ended.
    pub(super) under_way: u32,
    pub(super) conflict: Option<String>,
    pub(super) parameters: Bytes,
    /// The message that it began with.
    pub(super) message: Bytes,
    pub(super) result: Bytes,
    pub(super) body: Bytes,
    pub(super) note: String,
    /// Its end was asked for, and is on its way.
    pub(super) cancelled: bool,
}

/// A step that something has happened to. All others are blocked, and cost nothing.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct StepRow {
    /// From 1.
    pub(super) round: u32,
    pub(super) standing: Standing,
    /// Why it ended as it did.
    pub(super) note: String,
    /// Its task; of a fan-out none.
    pub(super) task: Option<TaskId>,
    pub(super) fan: Option<FanRow>,
    /// When its task was made, or its items were known.
    pub(super) queued_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
}

/// Where a step stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) enum Standing {
    #[default]
    Blocked,
    /// It has a task, or elements.
    Started,
    Ended(Phase, StepReason),
}

/// How far a fan-out is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FanRow {
    /// Its elements.
    pub count: u32,
    /// Those that became tasks.
    pub started: u32,
    /// Those that succeeded.
    pub succeeded: u32,
    /// Those that failed or were cancelled.
    pub failed: u32,
}

impl RunRow {
    pub(super) fn accepted(
        at: Timestamp,
        (workflow, version): (WorkflowId, u32),
        new: &NewRun,
    ) -> RunRow {
        RunRow {
            workflow,
            version,
            phase: RunPhase::Queued,
            reason: RunReason::None,
            round: 1,
            priority: new.priority,
            repetition: new.repetition,
            previous: new.previous,
            submitted_at: at,
            began_at: None,
            finished_at: None,
            steps: 0,
            ended: Counts::default(),
            under_way: 0,
            conflict: new.conflict.clone(),
            parameters: new.parameters.clone(),
            message: new.message.clone(),
            result: Bytes::new(),
            body: new.body.clone(),
            note: String::new(),
            cancelled: false,
        }
    }

    /// Whether its tasks wait for no worker.
    pub(super) fn holds_tasks(&self) -> bool {
        self.reason == RunReason::Paused || self.cancelled
    }

    pub(super) fn begin(&mut self, at: Timestamp) {
        self.phase = RunPhase::Running;
        self.began_at = Some(at);
    }

    pub(super) fn pause(&mut self, on: bool) {
        self.reason = match on {
            true => RunReason::Paused,
            false => RunReason::None,
        };
    }

    pub(super) fn end(&mut self, at: Timestamp, phase: RunPhase, reason: RunReason) {
        self.phase = phase;
        self.reason = reason;
        self.finished_at = Some(at);
        self.cancelled = false;
    }

    pub(super) fn reopen(&mut self) {
        self.round += 1;
        if !self.phase.is_live() {
            self.phase = RunPhase::Running;
            self.reason = RunReason::None;
            self.finished_at = None;
            self.result.clear();
            self.note.clear();
        }
    }

    /// Follows a step from one standing to another.
    pub(super) fn follow(&mut self, was: Standing, now: Standing) {
        match was {
            Standing::Blocked => {}
            Standing::Started => self.under_way = self.under_way.saturating_sub(1),
            Standing::Ended(phase, _) => {
                let ended = &mut self.ended[phase as usize];
                *ended = ended.saturating_sub(1);
            }
        }
        match now {
            Standing::Blocked => {}
            Standing::Started => self.under_way += 1,
            Standing::Ended(phase, _) => self.ended[phase as usize] += 1,
        }
    }
}

impl StepRow {
    pub(super) fn new() -> StepRow {
        StepRow {
            round: 1,
            ..StepRow::default()
        }
    }

    /// It has a task.
    pub(super) fn start(&mut self, at: Timestamp, task: TaskId) {
        self.standing = Standing::Started;
        self.task = Some(task);
        self.queued_at = Some(at);
    }

    /// Its items are known.
    pub(super) fn open_fan(&mut self, at: Timestamp, count: u32) {
        self.standing = Standing::Started;
        self.fan = Some(FanRow {
            count,
            ..FanRow::default()
        });
        self.queued_at = Some(at);
    }

    pub(super) fn start_elements(&mut self, elements: u32) {
        if let Some(fan) = &mut self.fan {
            fan.started = fan.started.saturating_add(elements).min(fan.count);
        }
    }

    /// An element of it has ended.
    pub(super) fn end_element(&mut self, phase: Phase) {
        let Some(fan) = &mut self.fan else { return };
        match phase {
            Phase::Succeeded => fan.succeeded += 1,
            _ => fan.failed += 1,
        }
    }

    pub(super) fn decide(&mut self, at: Timestamp, outcome: StepOutcome, note: &str) {
        self.standing = Standing::Ended(outcome.phase, outcome.reason);
        self.finished_at = Some(at);
        note.clone_into(&mut self.note);
    }

    /// It is to run once more; its history is in the audit trail and with its tasks.
    pub(super) fn reopen(&mut self) {
        *self = StepRow {
            round: self.round + 1,
            ..StepRow::default()
        };
    }
}

impl Standing {
    /// The state on record. Of a step that was started its task knows better.
    pub(super) fn phase(self) -> Phase {
        match self {
            Standing::Blocked => Phase::Blocked,
            Standing::Started => Phase::Running,
            Standing::Ended(phase, _) => phase,
        }
    }
}

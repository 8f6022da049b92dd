//! A task, or a touched element of an array, as the store remembers it.

use bytes::Bytes;
use capataz_engine::{Attempt, GroupId, Phase, Reason, RunId, Timestamp, Usage, WorkerId};
use serde::{Deserialize, Serialize};

use super::labels::Labels;

/// How many of something are in each [`Phase`], in the order of [`Phase::ALL`].
pub(super) type Counts = [u32; Phase::ALL.len()];

/// How an attempt ended, as people see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It did its work.
    Succeeded,
    /// It did not.
    Failed,
    /// It asked to be called again.
    Again,
    /// It was handed back without having run.
    Released,
    /// Its lease ran out.
    Lost,
    /// Its task was ended while it ran.
    Stopped,
}

impl Verdict {
    /// Every verdict; the store keeps the place in this list.
    pub const ALL: [Verdict; 6] = [
        Verdict::Succeeded,
        Verdict::Failed,
        Verdict::Again,
        Verdict::Released,
        Verdict::Lost,
        Verdict::Stopped,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Succeeded => "succeeded",
            Verdict::Failed => "failed",
            Verdict::Again => "again",
            Verdict::Released => "released",
            Verdict::Lost => "lost",
            Verdict::Stopped => "stopped",
        }
    }
}

/// One row of `task` or `element`. The last attempt is part of it, so that a task with one attempt
/// costs one row.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    pub(super) group: GroupId,
    pub(super) phase: Phase,
    pub(super) reason: Reason,
    pub(super) priority: u8,
    /// The step of a run that it is.
    pub(super) step: Option<StepTask>,
    /// From 1.
    pub(super) round: u32,
    pub(super) submitted_at: Timestamp,
    /// When it last became queued.
    pub(super) queued_at: Option<Timestamp>,
    /// When its round ended.
    pub(super) finished_at: Option<Timestamp>,
    /// Until when it is scheduled.
    pub(super) until: Option<Timestamp>,
    /// The last attempt; for an array the first times of any element.
    pub(super) last: Try,
    pub(super) labels: Labels,
    /// What the caller gave as the reason of a cancel.
    pub(super) note: String,
    pub(super) array: Option<Box<Array>>,
}

/// The step of a run that a task is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StepTask {
    /// Which run.
    pub run: RunId,
    /// The step's number.
    pub step: u32,
    /// Which item, of a fan-out.
    pub element: Option<u32>,
}

/// An attempt.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Try {
    /// 0: there was none.
    pub(super) attempt: Attempt,
    pub(super) worker: Option<WorkerId>,
    pub(super) allocated_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) verdict: Option<Verdict>,
    /// Why it failed.
    pub(super) fault: Option<Reason>,
    pub(super) usage: Option<Usage>,
    /// An encoded `AttemptResult`; may be empty.
    pub(super) result: Bytes,
}

/// What an array's row has on top.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Array {
    /// Its elements.
    pub(super) count: u32,
    /// Elements that have a row of their own.
    pub(super) touched: Counts,
    /// All the others.
    pub(super) rest: Rest,
}

/// What is true of every element without a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Rest {
    pub(super) phase: Phase,
    pub(super) reason: Reason,
    pub(super) queued_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
}

/// How many elements of an array are in each state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ElementCounts {
    /// All of them.
    pub count: u32,
    by_phase: Counts,
}

impl ElementCounts {
    /// Elements in one state.
    pub fn of(&self, phase: Phase) -> u32 {
        self.by_phase[phase as usize]
    }
}

impl Array {
    /// Whether no more elements have rows than there are.
    pub(super) fn is_whole(&self) -> bool {
        let touched: u64 = self.touched.iter().copied().map(u64::from).sum();
        touched <= u64::from(self.count)
    }

    /// Elements with and without rows.
    pub(super) fn totals(&self) -> Counts {
        let mut totals = self.touched;
        totals[self.rest.phase as usize] += self.untouched();
        totals
    }

    pub(super) fn untouched(&self) -> u32 {
        self.count.saturating_sub(self.touched.iter().sum())
    }

    pub(super) fn element_counts(&self) -> ElementCounts {
        ElementCounts {
            count: self.count,
            by_phase: self.totals(),
        }
    }

    /// The state of the array as a whole.
    pub(super) fn phase(&self) -> Phase {
        let totals = self.totals();
        let has = |phase: Phase| totals[phase as usize] > 0;
        if Phase::ALL
            .iter()
            .any(|phase| phase.is_live() && has(*phase))
        {
            return match self.untouched() == self.count {
                true => self.rest.phase,
                false => Phase::Running,
            };
        }
        [Phase::Failed, Phase::Cancelled]
            .into_iter()
            .find(|phase| has(*phase))
            .unwrap_or(Phase::Succeeded)
    }
}

impl Row {
    /// What the row adds to the counts of its group and tags: elements count one by one.
    pub fn counts(&self) -> Counts {
        match &self.array {
            Some(array) => array.totals(),
            None => {
                let mut counts = Counts::default();
                counts[self.phase as usize] = 1;
                counts
            }
        }
    }

    /// An element of this array that nothing has happened to. `None` when this is no array.
    pub(super) fn untouched_element(&self) -> Option<Row> {
        let rest = &self.array.as_ref()?.rest;
        Some(Row {
            group: self.group,
            phase: rest.phase,
            reason: rest.reason,
            priority: self.priority,
            step: None,
            round: 1,
            submitted_at: self.submitted_at,
            queued_at: rest.queued_at,
            finished_at: rest.finished_at,
            until: rest.until,
            last: Try::default(),
            labels: Labels::default(),
            note: match rest.phase.is_live() {
                true => String::new(),
                false => self.note.clone(),
            },
            array: None,
        })
    }
}

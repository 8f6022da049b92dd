//! What each event does to the row of its task. Plain rules, no I/O: the same as the engine's
//! `apply`, but for what ended tasks leave behind.

use bytes::Bytes;
use capataz_engine::{
    Accepted, Attempt, Ended, GroupId, Next, Outcome, Phase, Reason, Timestamp, Usage, WorkerId,
};

use super::labels::Labels;
use super::row::{Array, Counts, Rest, Row, StepTask, Try, Verdict};

/// The end of an attempt, as the event tells it.
pub(super) struct End<'a> {
    pub(super) at: Timestamp,
    pub(super) attempt: Attempt,
    pub(super) outcome: &'a Outcome,
    pub(super) next: Next,
    pub(super) usage: Usage,
    pub(super) output: &'a Bytes,
}

impl Row {
    pub(super) fn accepted(at: Timestamp, accepted: &Accepted, step: Option<StepTask>) -> Row {
        let new = &accepted.task;
        let until = new.not_before.filter(|until| *until > at);
        let (phase, reason) = match until {
            Some(_) => (Phase::Scheduled, Reason::Delayed),
            None => (Phase::Queued, Reason::None),
        };
        let queued_at = until.is_none().then_some(at);
        let array = new.count.map(|count| {
            Box::new(Array {
                count,
                touched: Counts::default(),
                rest: Rest {
                    phase,
                    reason,
                    queued_at,
                    finished_at: None,
                    until,
                },
            })
        });
        Row {
            group: accepted.group,
            phase,
            reason,
            priority: new.priority,
            step,
            round: 1,
            submitted_at: at,
            queued_at,
            finished_at: None,
            until,
            last: Try::default(),
            labels: Labels::of(&new.body),
            note: String::new(),
            array,
        }
    }

    pub(super) fn due(&mut self, at: Timestamp) {
        if self.phase == Phase::Scheduled {
            self.enqueue(at, Reason::None);
        }
    }

    fn enqueue(&mut self, at: Timestamp, reason: Reason) {
        self.phase = Phase::Queued;
        self.reason = reason;
        self.queued_at = Some(at);
        self.until = None;
    }

    /// The run that it is a step of is paused or being cancelled: it waits for no worker.
    pub(super) fn hold(&mut self) {
        if self.phase == Phase::Queued {
            self.phase = Phase::Scheduled;
            self.reason = Reason::Paused;
        }
    }

    /// That run goes on.
    pub(super) fn unhold(&mut self, at: Timestamp) {
        if (self.phase, self.reason) == (Phase::Scheduled, Reason::Paused) {
            self.enqueue(at, Reason::None);
        }
    }

    /// Begins an attempt and returns the one before it, if there was one.
    pub(super) fn lease(
        &mut self,
        at: Timestamp,
        attempt: Attempt,
        worker: WorkerId,
    ) -> Option<Try> {
        self.phase = Phase::Running;
        self.reason = Reason::None;
        let begun = Try {
            attempt,
            worker: Some(worker),
            allocated_at: Some(at),
            ..Try::default()
        };
        let before = std::mem::replace(&mut self.last, begun);
        (before.attempt > 0).then_some(before)
    }

    pub(super) fn start(&mut self, attempt: Attempt, since: Timestamp) {
        if self.last.attempt == attempt {
            self.last.started_at = Some(since);
        }
    }

    pub(super) fn end_attempt(&mut self, end: &End<'_>) {
        if self.last.attempt == end.attempt {
            self.last.end(end);
        }
        match end.next {
            Next::Over { phase, reason } => self.finish(end.at, phase, reason),
            Next::Queued => self.enqueue(end.at, requeue_reason(end.outcome)),
            Next::Scheduled { until, reason } => {
                self.phase = Phase::Scheduled;
                self.reason = reason;
                self.until = Some(until);
            }
        }
    }

    /// An attempt of a task that was decided before has ended.
    pub(super) fn release(&mut self, at: Timestamp, attempt: Attempt, ended: Ended) {
        let last = &mut self.last;
        if last.attempt == attempt && last.ended_at.is_none() {
            last.ended_at = Some(at);
            last.verdict = Some(match ended {
                Ended::Reported => Verdict::Stopped,
                Ended::Lost => Verdict::Lost,
            });
        }
    }

    pub(super) fn close(&mut self, at: Timestamp, phase: Phase, reason: Reason, note: &str) {
        if self.phase.is_live() {
            self.finish(at, phase, reason);
            note.clone_into(&mut self.note);
        }
    }

    /// Whether the end of its array ends this element too. An expired array spares what runs, and
    /// what an operator retried.
    pub(super) fn is_closed_with_array(&self, reason: Reason) -> bool {
        let spared = self.phase == Phase::Running || self.round > 1;
        self.phase.is_live() && !(reason == Reason::Expired && spared)
    }

    fn finish(&mut self, at: Timestamp, phase: Phase, reason: Reason) {
        self.phase = phase;
        self.reason = reason;
        self.finished_at = Some(at);
        self.until = None;
    }

    /// Opens the next round. `rounds` is the number of those that have ended.
    pub(super) fn revive(&mut self, at: Timestamp, rounds: u32) {
        self.enqueue(at, Reason::None);
        self.round = rounds.max(1).saturating_add(1);
        self.finished_at = None;
        self.note.clear();
    }

    /// A task that lives again after retention removed it.
    pub(super) fn anew(group: GroupId, priority: u8, submitted_at: Timestamp) -> Row {
        Row {
            group,
            phase: Phase::Queued,
            reason: Reason::None,
            priority,
            step: None,
            round: 1,
            submitted_at,
            queued_at: None,
            finished_at: None,
            until: None,
            last: Try::default(),
            labels: Labels::default(),
            note: String::new(),
            array: None,
        }
    }

    /// Follows a change of one element, in the row of its array.
    pub(super) fn follow(&mut self, at: Timestamp, was: Option<Phase>, element: &Row) {
        let Some(array) = &mut self.array else {
            return;
        };
        if let Some(was) = was {
            let touched = &mut array.touched[was as usize];
            *touched = touched.saturating_sub(1);
        }
        array.touched[element.phase as usize] += 1;
        self.last.allocated_at = self.last.allocated_at.or(element.last.allocated_at);
        self.last.started_at = self.last.started_at.or(element.last.started_at);
        self.settle_array(at);
    }

    /// A delayed array is due.
    pub(super) fn array_due(&mut self, at: Timestamp) {
        let Some(array) = &mut self.array else {
            return;
        };
        if array.rest.phase != Phase::Scheduled {
            return;
        }
        array.rest.phase = Phase::Queued;
        array.rest.reason = Reason::None;
        array.rest.queued_at = Some(at);
        array.rest.until = None;
        self.queued_at = Some(at);
        self.settle_array(at);
    }

    /// Ends what nobody has touched of an array; its live elements are closed one by one.
    pub(super) fn close_rest(&mut self, at: Timestamp, phase: Phase, reason: Reason, note: &str) {
        let Some(array) = &mut self.array else {
            return;
        };
        if array.rest.phase.is_live() {
            array.rest.phase = phase;
            array.rest.reason = reason;
            array.rest.finished_at = Some(at);
            array.rest.until = None;
        }
        note.clone_into(&mut self.note);
        self.settle_array(at);
    }

    /// Derives the array's own state from its elements.
    fn settle_array(&mut self, at: Timestamp) {
        let Some(array) = &self.array else {
            return;
        };
        self.phase = array.phase();
        self.until = array.rest.until;
        self.finished_at = (!self.phase.is_live()).then_some(at);
        self.reason = match self.phase {
            Phase::Failed if array.rest.reason == Reason::Expired => Reason::Expired,
            Phase::Failed => Reason::Error,
            Phase::Cancelled => Reason::Requested,
            Phase::Scheduled => array.rest.reason,
            _ => Reason::None,
        };
    }
}

impl Try {
    fn end(&mut self, end: &End<'_>) {
        let (verdict, fault) = match end.outcome {
            Outcome::Succeeded => (Verdict::Succeeded, None),
            Outcome::Failed { reason, .. } => (Verdict::Failed, Some(*reason)),
            Outcome::Again { .. } => (Verdict::Again, None),
            Outcome::Released => (Verdict::Released, None),
            Outcome::Lost => (Verdict::Lost, None),
        };
        // A short attempt is reported once: its start follows from its end and its length.
        let ran = matches!(
            verdict,
            Verdict::Succeeded | Verdict::Failed | Verdict::Again
        );
        if self.started_at.is_none() && ran && end.usage != Usage::default() {
            let started = Timestamp(end.at.0.saturating_sub(end.usage.wall.0));
            self.started_at = Some(started.max(self.allocated_at.unwrap_or_default()));
        }
        self.ended_at = Some(end.at);
        self.verdict = Some(verdict);
        self.fault = fault;
        self.usage = Some(end.usage);
        self.result = end.output.clone();
    }
}

/// The same as the engine's.
fn requeue_reason(outcome: &Outcome) -> Reason {
    match outcome {
        Outcome::Lost => Reason::WorkerLost,
        Outcome::Failed { .. } => Reason::Backoff,
        Outcome::Succeeded | Outcome::Again { .. } | Outcome::Released => Reason::None,
    }
}

//! Steps begin, become tasks, return something and are decided.

use bytes::Bytes;

use crate::event::Accepted;
use crate::id::TaskId;
use crate::planted::{Bug, planted};
use crate::policy::Policy;
use crate::reason::{Phase, Reason};
use crate::run::{RunId, StepOutcome, StepReason};
use crate::state::{EntryKey, Fan, State, Status, StepLink, UnitPhase, WHOLE};
use crate::time::Timestamp;

/// Tasks that a step, or elements of it, became.
pub(super) struct StepTasks<'a> {
    pub(super) run: RunId,
    pub(super) step: u32,
    pub(super) element: Option<u32>,
    pub(super) first: TaskId,
    pub(super) policies: &'a [Policy],
    pub(super) tasks: &'a [Accepted],
}

impl State {
    pub(super) fn open_fan(&mut self, id: RunId, step: u32, count: u32, items: &Bytes) {
        self.change_step(id, step, |run| {
            let Some(entry) = run.steps.get_mut(step as usize) else {
                return;
            };
            entry.status = match count {
                0 => Status::Ended(StepOutcome::SUCCEEDED),
                _ => Status::Running,
            };
            entry.fan = Some(Box::new(Fan {
                count,
                next: 0,
                failed: 0,
                items: items.clone(),
            }));
        });
        self.touch(EntryKey::FanItems(id, step));
    }

    pub(super) fn start_step(&mut self, at: Timestamp, started: &StepTasks<'_>) {
        let StepTasks {
            run: id,
            step,
            first,
            tasks,
            ..
        } = *started;
        let rank = self
            .run(id)
            .and_then(|run| run.step(step))
            .map_or(0, |step| step.rank);
        self.runs.turns += 1;
        let turns = self.runs.turns;
        for (offset, accepted) in tasks.iter().enumerate() {
            let policy = started.policies.get(accepted.task.policy as usize);
            let link = StepLink {
                run: id,
                step,
                element: started
                    .element
                    .map(|from| from.saturating_add(offset as u32)),
                rank,
            };
            let task = TaskId(first.0.wrapping_add(offset as u64));
            self.accept(
                at,
                task,
                accepted,
                &policy.copied().unwrap_or_default(),
                Some(link),
            );
            self.count_step_task(id, task, true);
            self.refresh_group(accepted.group);
        }
        let count = tasks.len() as u64;
        self.meta.next_task = self.meta.next_task.max(first.0.saturating_add(count));
        self.change_step(id, step, |run| {
            if started.element.is_some() {
                run.served = turns;
            }
            if let Some(entry) = run.steps.get_mut(step as usize) {
                entry.status = Status::Running;
                entry.tasks += count as u32;
                if let Some(fan) = &mut entry.fan {
                    fan.next = fan.next.saturating_add(count as u32).min(fan.count);
                }
            }
        });
    }

    /// A task of a step has ended.
    pub(crate) fn step_task_ended(&mut self, link: StepLink, phase: Phase, reason: Reason) {
        self.change_step(link.run, link.step, |run| {
            // The step of a task that was cancelled with its run is decided with its run, too.
            let with_its_run = run.cancelled && phase == Phase::Cancelled;
            let Some(step) = run.steps.get_mut(link.step as usize) else {
                return;
            };
            step.tasks = step.tasks.saturating_sub(1);
            if step.status != Status::Running {
                return;
            }
            let alone = StepOutcome {
                phase,
                reason: StepReason::Task(reason),
            };
            let ended = match &mut step.fan {
                None => Some(alone),
                Some(fan) => {
                    fan.failed += u32::from(alone.is_bad());
                    let early = planted(Bug::FanOutDecidedEarly);
                    (early || fan.next >= fan.count && step.tasks == 0).then(|| fan.outcome())
                }
            };
            if let Some(ended) = ended.filter(|_| !with_its_run) {
                step.status = Status::Ended(ended);
            }
        });
    }

    pub(super) fn step_returned(
        &mut self,
        id: RunId,
        step: u32,
        element: Option<u32>,
        value: &Bytes,
    ) {
        let Some(run) = self.runs.runs.get_mut(&id) else {
            return;
        };
        let element = element.unwrap_or(WHOLE);
        if let Some(entry) = run.steps.get_mut(step as usize) {
            // A copy: a slice would keep the whole message that it came with.
            let value = Bytes::copy_from_slice(value);
            run.kept += value.len();
            let before = entry.outputs.insert(element, value);
            run.kept = run
                .kept
                .saturating_sub(before.map_or(0, |before| before.len()));
            self.touch(EntryKey::StepOutput(id, step, element));
        }
    }

    pub(super) fn decide_step(&mut self, id: RunId, step: u32, outcome: StepOutcome) {
        let had_items = self.run(id).is_some_and(|run| run.has_items(step));
        let mut message = None;
        self.change_step(id, step, |run| {
            let alters = run.plan.node(step).is_some_and(|node| node.alters_message);
            if alters && outcome.phase == Phase::Succeeded {
                message = run
                    .step(step)
                    .and_then(|step| step.outputs.get(&WHOLE))
                    .cloned();
            }
            run.decide(step, outcome);
            if let Some(message) = &message {
                run.message = message.clone();
            }
        });
        if had_items {
            self.touch(EntryKey::FanItems(id, step));
        }
        if message.is_some() && !planted(Bug::MessageNotStored) {
            self.touch(EntryKey::Run(id));
        }
    }

    /// Holds back a waiting task of a run that is paused or being cancelled, or lets it wait for a
    /// worker again.
    pub(super) fn hold_step_task(&mut self, id: TaskId, on: bool) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let group = task.group;
        let moves = match task.unit.phase {
            UnitPhase::Queued(_) => on,
            UnitPhase::Scheduled { reason, .. } => !on && reason == Reason::Paused,
            UnitPhase::Running => false,
        };
        if moves {
            self.unqueue(id.key());
            self.enqueue(id.key(), Reason::None);
            self.refresh_group(group);
            self.touch(EntryKey::Task(id));
        }
    }
}

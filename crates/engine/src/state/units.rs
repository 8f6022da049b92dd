//! Moving units in and out of their group's queues and counters.

use super::{EntryKey, State, Task, Timer, Unit, UnitPhase, Until};
use crate::id::{GroupId, Key, TaskId};
use crate::planted::{Bug, planted};
use crate::reason::{Phase, Reason};
use crate::time::Timestamp;

impl State {
    /// A unit waits again: its place is that of its key, or that of its run. The steps of a run
    /// that is paused or being cancelled wait for no worker, but for their run.
    pub(crate) fn enqueue(&mut self, key: Key, reason: Reason) {
        let link = self.tasks.get(key.task()).and_then(Task::step);
        let run = link.and_then(|link| self.run(link.run));
        let waits = run.is_some_and(|run| run.paused || run.cancelled);
        if waits && !planted(Bug::PausedStepQueued) {
            return self.hold(key);
        }
        let Some((group, priority, affine)) = self.set_phase(key, UnitPhase::Queued(reason)) else {
            return;
        };
        let Some(group) = self.groups.get_mut(group.0 as usize) else {
            return;
        };
        group.queued += 1;
        let level = group.level_mut(priority);
        match link {
            Some(link) => level.insert_step(key, link),
            None => level.insert_returned(key),
        }
        level.live += 1;
        level.affine += u64::from(affine);
        self.rearm_expiry(key);
    }

    fn hold(&mut self, key: Key) {
        // It waits for no time, so no timer is set.
        let held = UnitPhase::Scheduled {
            until: Until::new(Timestamp(u64::MAX)),
            reason: Reason::Paused,
        };
        if let Some((group, _, _)) = self.set_phase(key, held)
            && let Some(group) = self.groups.get_mut(group.0 as usize)
        {
            group.scheduled += 1;
        }
        self.rearm_expiry(key);
    }

    /// The untouched elements of a delayed array wait in the place of the array.
    pub(crate) fn enqueue_untouched(&mut self, id: TaskId, units: u64) {
        let Some(task) = self.tasks.get(id).filter(|_| units > 0) else {
            return;
        };
        let affine = !task.affinity().is_empty();
        let Some(group) = self.groups.get_mut(task.group.0 as usize) else {
            return;
        };
        group.queued += units;
        let level = group.level_mut(task.priority);
        level.insert_returned(id.key());
        level.live += units;
        level.affine += if affine { units } else { 0 };
    }

    /// Sets the timer that ends a task when it still waits at the end of its time.
    pub(crate) fn arm_expiry(&mut self, id: TaskId, task: &Task) {
        let waits = match task.array() {
            // Whatever its elements do, an array has one timer, which fires once.
            Some(_) => task.extra.as_ref().is_some_and(|extra| !extra.expired),
            None => !matches!(task.unit.phase, UnitPhase::Running),
        };
        let waits = waits && !planted(Bug::ExpiredDispatched);
        if let Some(at) = task.expires_at().filter(|_| waits) {
            self.timers.set(at, Timer::Expire(id.key()));
        }
    }

    pub(crate) fn disarm_expiry(&mut self, id: TaskId) {
        let expires_at = self.tasks.get(id).and_then(Task::expires_at);
        if let Some(at) = expires_at {
            self.timers.clear(at, Timer::Expire(id.key()));
        }
    }

    /// A task that waits again can expire again; elements share the timer of their array.
    fn rearm_expiry(&mut self, key: Key) {
        let expires_at = self.tasks.get(key.task()).and_then(Task::expires_at);
        if let Some(at) = expires_at.filter(|_| key.index().is_none()) {
            self.timers.set(at, Timer::Expire(key));
        }
    }

    /// A unit waits for a time.
    pub(crate) fn schedule(&mut self, key: Key, until: Timestamp, reason: Reason) {
        let phase = UnitPhase::Scheduled {
            until: Until::new(until),
            reason,
        };
        let Some((group, _, _)) = self.set_phase(key, phase) else {
            return;
        };
        self.timers.set(until, Timer::Due(key));
        if let Some(group) = self.groups.get_mut(group.0 as usize) {
            group.scheduled += 1;
        }
        self.rearm_expiry(key);
    }

    /// Takes a unit out of the queue or off the timers, wherever it waits. An untouched element
    /// becomes a live one.
    pub(crate) fn unqueue(&mut self, key: Key) {
        let id = key.task();
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let group = task.group;
        let untouched = key.index().is_some_and(|index| task.is_untouched(index));
        if untouched {
            touch_element(task, key);
            if matches!(task.unit.phase, UnitPhase::Scheduled { .. }) {
                // The whole array is delayed: its elements are not in the queue yet.
                if let Some(group) = self.groups.get_mut(group.0 as usize) {
                    group.scheduled = group.scheduled.saturating_sub(1);
                }
                return;
            }
        }
        let phase = match task.unit(key.index()) {
            Some(unit) => unit.phase,
            None => return,
        };
        match phase {
            UnitPhase::Queued(_) => self.leave_queue(key, group),
            UnitPhase::Scheduled { until, .. } => {
                self.timers.clear(until.at(), Timer::Due(key));
                if let Some(group) = self.groups.get_mut(group.0 as usize) {
                    group.scheduled = group.scheduled.saturating_sub(1);
                }
            }
            UnitPhase::Running => {}
        }
    }

    fn leave_queue(&mut self, key: Key, group: GroupId) {
        let Some(task) = self.tasks.get_mut(key.task()) else {
            return;
        };
        let (priority, affine) = (task.priority, !task.affinity().is_empty());
        let link = task.step();
        let Some(group) = self.groups.get_mut(group.0 as usize) else {
            return;
        };
        group.queued = group.queued.saturating_sub(1);
        let level = group.level_mut(priority);
        level.live = level.live.saturating_sub(1);
        level.affine = level.affine.saturating_sub(u64::from(affine));
        if let Some(link) = link {
            level.remove_step(key, link);
        } else if !level.remove_returned(key) && key.index().is_none() {
            task.in_fresh = false;
        }
        if task.array().is_some_and(|array| array.next >= array.count) {
            level.remove_returned(key.task().key());
        }
        level.settle(&self.tasks);
    }

    /// Ends what nobody has touched of an array, and says how many elements that were.
    pub(crate) fn close_untouched(&mut self, id: TaskId) -> u64 {
        let Some(task) = self.tasks.get_mut(id) else {
            return 0;
        };
        let (group, priority) = (task.group, task.priority);
        let affine = !task.affinity().is_empty();
        let Some(array) = task.array_mut() else {
            return 0;
        };
        let untouched = array.untouched();
        array.next = array.count;
        array.closed.clear();
        task.in_fresh = false;
        let phase = std::mem::replace(&mut task.unit.phase, UnitPhase::Queued(Reason::None));
        let Some(group) = self.groups.get_mut(group.0 as usize) else {
            return 0;
        };
        if let UnitPhase::Scheduled { until, .. } = phase {
            self.timers.clear(until.at(), Timer::Due(id.key()));
            group.scheduled = group.scheduled.saturating_sub(untouched);
            return untouched;
        }
        group.queued = group.queued.saturating_sub(untouched);
        let level = group.level_mut(priority);
        level.live = level.live.saturating_sub(untouched);
        level.affine = level
            .affine
            .saturating_sub(if affine { untouched } else { 0 });
        level.remove_returned(id.key());
        level.settle(&self.tasks);
        untouched
    }

    fn set_phase(&mut self, key: Key, phase: UnitPhase) -> Option<(GroupId, u8, bool)> {
        let task = self.tasks.get_mut(key.task())?;
        let place = (task.group, task.priority, !task.affinity().is_empty());
        task.unit_mut(key.index())?.phase = phase;
        Some(place)
    }

    /// A unit is over: counts it, and forgets the task when nothing of it is left.
    pub(crate) fn finish(&mut self, key: Key, (phase, reason): (Phase, Reason), at: Timestamp) {
        let id = key.task();
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        // An event that ends what has ended already changes nothing.
        if task.unit(key.index()).is_none() {
            return;
        }
        self.dirty.change(EntryKey::Task(id));
        if let Some(group) = self.groups.get_mut(task.group.0 as usize) {
            group.count_end(phase, 1);
        }
        if let (Some(index), Some(array)) = (key.index(), task.array_mut()) {
            array.live.remove(&index);
            if !array.is_over() {
                return;
            }
        }
        let link = task.step();
        self.forget_task(id, at);
        if let Some(link) = link {
            self.count_step_task(link.run, id, false);
            self.step_task_ended(link, phase, reason);
        }
    }

    /// Removes a task with everything that is kept because of it.
    pub(crate) fn forget_task(&mut self, id: TaskId, at: Timestamp) {
        let Some((task, claim)) = self.tasks.remove(id) else {
            return;
        };
        self.policies.release(task.policy);
        if let Some(expires_at) = task.expires_at() {
            self.timers.clear(expires_at, Timer::Expire(id.key()));
        }
        if let UnitPhase::Scheduled { until, .. } = task.unit.phase {
            // A delayed array whose elements were all ended before it was due.
            self.timers.clear(until.at(), Timer::Due(id.key()));
        }
        if let Some(claim) = claim {
            let kept_from = match planted(Bug::DedupForgottenAtEnd) {
                true => Timestamp(0),
                false => at,
            };
            self.dedup.outlive(task.group, claim, id, kept_from);
            self.touch(EntryKey::Dedup(task.group, claim.key));
        }
        if task.stored {
            self.dirty.remove(EntryKey::Task(id));
        }
        if let Some(group) = self.groups.get_mut(task.group.0 as usize) {
            group.level_mut(task.priority).settle(&self.tasks);
        }
    }
}

/// Makes an untouched element a live one that waits.
fn touch_element(task: &mut Task, key: Key) {
    let (Some(index), Some(array)) = (key.index(), task.array_mut()) else {
        return;
    };
    if index == array.next {
        array.next += 1;
        array.settle();
    } else {
        array.closed.insert(index);
    }
    array
        .live
        .insert(index, Unit::new(UnitPhase::Queued(Reason::None)));
}

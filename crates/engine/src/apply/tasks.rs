//! Tasks come, become due, are closed and live again.

use crate::command::{Ids, Request};
use crate::event::{Accepted, Change};
use crate::id::{Key, TaskId};
use crate::policy::Policy;
use crate::reason::{Phase, Reason};
use crate::state::{
    Array, Claim, EntryKey, Extra, RequestEntry, State, StepLink, Task, Timer, Unit, UnitPhase,
    Until, short,
};
use crate::time::Timestamp;

impl State {
    pub(super) fn submitted(
        &mut self,
        at: Timestamp,
        first: TaskId,
        request: Option<&(Request, Ids)>,
        policies: &[Policy],
        tasks: &[Accepted],
    ) {
        for (offset, accepted) in tasks.iter().enumerate() {
            let id = TaskId(first.0.wrapping_add(offset as u64));
            let policy = policies
                .get(accepted.task.policy as usize)
                .copied()
                .unwrap_or_default();
            self.accept(at, id, accepted, &policy, None);
        }
        self.meta.next_task = self
            .meta
            .next_task
            .max(first.0.saturating_add(tasks.len() as u64));
        let mut last = None;
        for accepted in tasks {
            // Runs of one group are refreshed once.
            if last.replace(accepted.group) != Some(accepted.group) {
                self.refresh_group(accepted.group);
            }
        }
        if let Some((request, ids)) = request {
            self.remember(at, *request, ids.clone());
        }
    }

    /// Remembers a call with what it was told.
    pub(super) fn remember(&mut self, at: Timestamp, request: Request, ids: Ids) {
        let content = request.content;
        let entry = RequestEntry { content, at, ids };
        self.requests.insert(request.id, entry);
        self.touch(EntryKey::Request(request.id));
    }

    /// Takes a task in, as the step of a run if it is one.
    pub(super) fn accept(
        &mut self,
        at: Timestamp,
        id: TaskId,
        accepted: &Accepted,
        policy: &Policy,
        step: Option<StepLink>,
    ) {
        let new = &accepted.task;
        let scheduled = new.not_before.filter(|until| *until > at);
        let array = new.count.map(|count| {
            Box::new(Array {
                count,
                ..Array::default()
            })
        });
        let rare = !new.affinity.is_empty()
            || new.expires_at.is_some()
            || array.is_some()
            || step.is_some();
        let extra = rare.then(|| {
            Box::new(Extra {
                affinity: new.affinity.clone(),
                expires_at: new.expires_at,
                expired: false,
                array,
                step,
            })
        });
        let phase = match scheduled {
            Some(until) => UnitPhase::Scheduled {
                until: Until::new(until),
                reason: Reason::Delayed,
            },
            None => UnitPhase::Queued(Reason::None),
        };
        let task = Task {
            submitted_at: at,
            group: accepted.group,
            policy: self.policies.acquire(policy),
            priority: new.priority,
            in_fresh: scheduled.is_none() && step.is_none(),
            stored: false,
            unit: Unit::new(phase),
            extra,
        };
        self.arm_expiry(id, &task);
        if id.0 < self.meta.next_task {
            // No journal gives an id twice; a key must not be left behind when one does.
            self.unclaim(id);
        }
        self.tasks.insert(id, task);
        self.touch(EntryKey::Task(id));
        if let Some((key, content)) = new.dedup {
            let content = short(content);
            self.claim(id, Claim { key, content });
        }
        let units = u64::from(new.count.unwrap_or(1));
        match scheduled {
            Some(until) => {
                self.timers.set(until, Timer::Due(id.key()));
                if let Some(group) = self.groups.get_mut(accepted.group.0 as usize) {
                    group.scheduled += units;
                }
            }
            None if step.is_some() => self.enqueue(id.key(), Reason::None),
            None => self.push_fresh(id, units),
        }
    }

    fn push_fresh(&mut self, id: TaskId, units: u64) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        task.in_fresh = true;
        let affine = !task.affinity().is_empty();
        let Some(group) = self.groups.get_mut(task.group.0 as usize) else {
            return;
        };
        group.queued += units;
        let level = group.level_mut(task.priority);
        level.push_fresh(id);
        level.live += units;
        level.affine += if affine { units } else { 0 };
    }

    pub(super) fn due(&mut self, key: Key) {
        let Some(task) = self.tasks.get(key.task()) else {
            return;
        };
        let group = task.group;
        let unit = match task.array() {
            Some(_) if key.index().is_none() => Some(&task.unit),
            _ => task.unit(key.index()),
        };
        let Some(UnitPhase::Scheduled { until, .. }) = unit.map(|unit| unit.phase) else {
            return;
        };
        if task.array().is_some() && key.index().is_none() {
            self.array_due(key.task(), until.at());
        } else {
            self.unqueue(key);
            self.enqueue(key, Reason::None);
        }
        self.refresh_group(group);
        self.touch(EntryKey::Task(key.task()));
    }

    /// A delayed array becomes ready as a whole, in its old place.
    fn array_due(&mut self, id: TaskId, until: Timestamp) {
        self.timers.clear(until, Timer::Due(id.key()));
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        task.unit.phase = UnitPhase::Queued(Reason::None);
        let untouched = task.array().map_or(0, Array::untouched);
        if let Some(group) = self.groups.get_mut(task.group.0 as usize) {
            group.scheduled = group.scheduled.saturating_sub(untouched);
        }
        self.enqueue_untouched(id, untouched);
    }

    /// Ends a task, an array or an element by decree.
    pub(super) fn closed(&mut self, at: Timestamp, key: Key, phase: Phase, reason: Reason) {
        let Some(task) = self.tasks.get(key.task()) else {
            return;
        };
        let group = task.group;
        if key.index().is_none() && task.array().is_some() {
            self.close_array(at, key.task(), phase, reason);
        } else {
            self.unqueue(key);
            self.revoke(key);
            self.finish(key, (phase, reason), at);
        }
        self.refresh_group(group);
        self.touch(EntryKey::Group(group));
        self.touch(EntryKey::Task(key.task()));
    }

    /// Ends what of an array can be ended: all of it, or only what waits when its time is over.
    fn close_array(&mut self, at: Timestamp, id: TaskId, phase: Phase, reason: Reason) {
        let ended = self.close_untouched(id);
        let expires = reason == Reason::Expired;
        if expires {
            self.disarm_expiry(id);
        }
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        if let Some(extra) = task.extra.as_mut().filter(|_| expires) {
            extra.expired = true;
        }
        let group = task.group;
        // What an operator retried has a new round and no expiry in it.
        let is_spared = |unit: &Unit| matches!(unit.phase, UnitPhase::Running) || unit.rounds > 0;
        let is_closed = |unit: &Unit| !(expires && is_spared(unit));
        let live: Vec<u32> = task
            .array()
            .into_iter()
            .flat_map(|array| &array.live)
            .filter(|(_, unit)| is_closed(unit))
            .map(|(index, _)| *index)
            .collect();
        let is_over = task.array().is_some_and(Array::is_over);
        if let Some(group) = self.groups.get_mut(group.0 as usize) {
            group.count_end(phase, ended);
        }
        if is_over {
            self.forget_task(id, at);
        }
        for index in live {
            self.unqueue(id.element(index));
            self.revoke(id.element(index));
            self.finish(id.element(index), (phase, reason), at);
        }
    }

    /// The unit's lease, if it has one, keeps its slot and loses its meaning.
    fn revoke(&mut self, key: Key) {
        let tokens: Vec<_> = self.leases_of(key).map(|(token, _)| token).collect();
        for token in tokens {
            if let Some(lease) = self.leases.get_mut(&token) {
                lease.revoked = true;
            }
            self.touch(EntryKey::Lease(token.0, token.1));
        }
    }

    pub(super) fn revived(&mut self, change: &Change) {
        let Change::Revived {
            key,
            group,
            policy,
            priority,
            affinity,
            submitted_at,
            attempts,
            rounds,
            dedup,
        } = change
        else {
            return;
        };
        let mut unit = Unit::new(UnitPhase::Queued(Reason::None));
        unit.attempts = *attempts;
        unit.rounds = u16::try_from(*rounds).unwrap_or(u16::MAX).max(1);
        let id = key.task();
        if self.tasks.get(id).is_none() {
            let array = key.index().map(|_| Box::default());
            let extra = Extra {
                affinity: affinity.clone(),
                expires_at: None,
                expired: false,
                array,
                step: None,
            };
            let task = Task {
                submitted_at: *submitted_at,
                group: *group,
                policy: self.policies.acquire(policy),
                priority: *priority,
                in_fresh: false,
                stored: false,
                unit,
                extra: Some(Box::new(extra)),
            };
            self.tasks.insert(id, task);
            // A key that stands for another task by now, or for none, is lost for good.
            if let Some(key) = *dedup
                && let Some(entry) = self.dedup.entry(*group, key)
                && entry.task == id
            {
                let content = entry.content;
                self.claim(id, Claim { key, content });
            }
        }
        if let (Some(index), Some(task)) = (key.index(), self.tasks.get_mut(id))
            && let Some(array) = task.array_mut()
        {
            array.live.insert(index, unit);
        }
        self.enqueue(*key, Reason::None);
        let group = self.tasks.get(id).map_or(*group, |task| task.group);
        self.refresh_group(group);
        self.touch(EntryKey::Task(id));
    }
}

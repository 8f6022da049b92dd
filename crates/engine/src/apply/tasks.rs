//! Tasks come, become due, are closed and live again.

use crate::command::{Ids, Request};
use crate::event::{Accepted, Change};
use crate::id::{Key, TaskId};
use crate::policy::Policy;
use crate::reason::{Phase, Reason};
use crate::state::{
    Array, DedupEntry, EntryKey, Extra, RequestEntry, State, Task, Timer, Unit, UnitPhase,
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
            let id = TaskId(first.0 + offset as u64);
            let policy = policies
                .get(accepted.task.policy as usize)
                .copied()
                .unwrap_or_default();
            self.accept(at, id, accepted, &policy);
        }
        self.meta.next_task = self.meta.next_task.max(first.0 + tasks.len() as u64);
        let mut last = None;
        for accepted in tasks {
            // Runs of one group are refreshed once.
            if last.replace(accepted.group) != Some(accepted.group) {
                self.refresh_group(accepted.group);
            }
        }
        if let Some((request, ids)) = request {
            let entry = RequestEntry {
                content: request.content,
                at,
                ids: ids.clone(),
            };
            self.requests.insert(request.id, entry);
            self.touch(EntryKey::Request(request.id));
        }
    }

    fn accept(&mut self, at: Timestamp, id: TaskId, accepted: &Accepted, policy: &Policy) {
        let new = &accepted.task;
        let scheduled = new.not_before.filter(|until| *until > at);
        let array = new.count.map(|count| Array {
            count,
            ..Array::default()
        });
        let rare = !new.affinity.is_empty()
            || new.dedup.is_some()
            || new.expires_at.is_some()
            || array.is_some();
        let extra = rare.then(|| {
            Box::new(Extra {
                affinity: new.affinity.clone(),
                dedup: new.dedup.map(|(key, _)| key),
                expires_at: new.expires_at,
                array,
            })
        });
        let phase = match scheduled {
            Some(until) => UnitPhase::Scheduled {
                until,
                reason: Reason::Delayed,
            },
            None => UnitPhase::Queued(Reason::None),
        };
        let task = Task {
            submitted_at: at,
            group: accepted.group,
            policy: self.policies.acquire(policy),
            priority: new.priority,
            in_fresh: scheduled.is_none(),
            stored: false,
            unit: Unit::new(phase),
            extra,
        };
        self.tasks.insert(id, task);
        self.touch(EntryKey::Task(id));
        if let Some(expires_at) = new.expires_at {
            self.timers.set(expires_at, Timer::Expire(id.key()));
        }
        if let Some((key, content)) = new.dedup {
            let entry = DedupEntry {
                task: id,
                content,
                ended_at: None,
            };
            self.dedup.insert(accepted.group, key, entry);
            self.touch(EntryKey::Dedup(accepted.group, key));
        }
        let units = u64::from(new.count.unwrap_or(1));
        match scheduled {
            Some(until) => {
                self.timers.set(until, Timer::Due(id.key()));
                if let Some(group) = self.groups.get_mut(accepted.group.0 as usize) {
                    group.scheduled += units;
                }
            }
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
        let (group, array) = (task.group, task.array().is_some());
        let phase = if array {
            task.unit.phase
        } else {
            self.phase_of(key)
        };
        if array && key.index().is_none() {
            let UnitPhase::Scheduled { until, .. } = phase else {
                return;
            };
            self.array_due(key.task(), until);
        } else {
            self.unqueue(key);
            self.enqueue(key, Reason::None);
        }
        self.refresh_group(group);
        self.touch(EntryKey::Task(key.task()));
    }

    fn phase_of(&self, key: Key) -> UnitPhase {
        let unit = self
            .tasks
            .get(key.task())
            .and_then(|task| task.unit(key.index()));
        unit.map_or(UnitPhase::Running, |unit| unit.phase)
    }

    /// A delayed array becomes ready as a whole.
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
        self.push_fresh(id, untouched);
    }

    /// Ends a task, an array or an element by decree.
    pub(super) fn closed(&mut self, at: Timestamp, key: Key, phase: Phase) {
        let Some(task) = self.tasks.get(key.task()) else {
            return;
        };
        let group = task.group;
        if key.index().is_none() && task.array().is_some() {
            self.close_array(at, key.task(), phase);
        } else {
            self.unqueue(key);
            self.revoke(key);
            self.finish(key, phase, at);
        }
        self.refresh_group(group);
        self.touch(EntryKey::Group(group));
        self.touch(EntryKey::Task(key.task()));
    }

    fn close_array(&mut self, at: Timestamp, id: TaskId, phase: Phase) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let group = task.group;
        let live: Vec<u32> = task
            .array()
            .map(|array| array.live.keys().copied().collect())
            .unwrap_or_default();
        let untouched = match task.unit.phase {
            UnitPhase::Scheduled { until, .. } => {
                let untouched = task.array().map_or(0, Array::untouched);
                self.timers.clear(until, Timer::Due(id.key()));
                if let Some(group) = self.groups.get_mut(group.0 as usize) {
                    group.scheduled = group.scheduled.saturating_sub(untouched);
                }
                untouched
            }
            UnitPhase::Queued(_) | UnitPhase::Running => self.close_untouched(id),
        };
        if let Some(group) = self.groups.get_mut(group.0 as usize) {
            group.count_end(phase, untouched);
        }
        if let Some(array) = self.tasks.get_mut(id).and_then(Task::array_mut) {
            array.next = array.count;
        }
        if live.is_empty() {
            self.forget_task(id, at);
        }
        for index in live {
            self.unqueue(id.element(index));
            self.revoke(id.element(index));
            self.finish(id.element(index), phase, at);
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
        unit.rounds = u16::try_from(*rounds).unwrap_or(u16::MAX);
        let id = key.task();
        if self.tasks.get(id).is_none() {
            let array = key.index().map(|_| Array::default());
            let extra = Extra {
                affinity: affinity.clone(),
                dedup: *dedup,
                expires_at: None,
                array,
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
            if let Some(dedup) = dedup {
                self.dedup.revive(*group, *dedup);
                self.touch(EntryKey::Dedup(*group, *dedup));
            }
        }
        if let (Some(index), Some(task)) = (key.index(), self.tasks.get_mut(id))
            && let Some(array) = task.array_mut()
        {
            array.live.insert(index, unit);
        }
        self.enqueue(*key, Reason::None);
        self.refresh_group(*group);
        self.touch(EntryKey::Task(id));
    }
}

//! Tasks are accepted, closed and revived; what clients may be told of them.

use bytes::Bytes;
use capataz_engine::{Accepted, Ids, Key, Policy, Reason, Request, TaskId};

use super::facts::{DedupFacts, TaskFacts, UnitFacts};
use super::{Check, DEDUP_KEPT, Ledger, REQUEST_KEPT};
use crate::work::Work;

impl Ledger {
    pub(super) fn submitted(
        &mut self,
        at: u64,
        first: u64,
        request: Option<&(Request, Ids)>,
        policies: &[Policy],
        tasks: &[Accepted],
    ) -> Check {
        if first != self.next_task.max(1) {
            return Err(format!("task ids go from {} to {first}", self.next_task));
        }
        if let Some((request, _)) = request {
            self.answered(at, request.id)?;
        }
        for (offset, accepted) in tasks.iter().enumerate() {
            let id = first + offset as u64;
            let work = Work::of_spec(&accepted.task.body).ok_or("a task nobody can have sent")?;
            if !self.sent.contains(&work.number) {
                return Err(format!("task {id} was invented"));
            }
            let group = accepted.group.0;
            if let Some((key, content)) = accepted.task.dedup {
                self.keyed(at, id, (group, key), content)?;
            }
            let policy = policies.get(accepted.task.policy as usize);
            let facts = TaskFacts {
                body: accepted.task.body.clone(),
                group,
                policy: *policy.ok_or("a policy that is not there")?,
                count: accepted.task.count,
                dedup: accepted.task.dedup.map(|(key, _)| key),
                rest_closed: false,
            };
            self.tasks.insert(id, facts);
        }
        self.next_task = first + tasks.len() as u64;
        Ok(())
    }

    /// One dedup key, one task, for as long as the task lives and an hour.
    fn keyed(&mut self, at: u64, task: u64, key: (u32, u128), content: u128) -> Check {
        let facts = DedupFacts {
            task,
            content,
            ended_at: None,
        };
        match self.dedup.insert(key, facts) {
            Some(before) if before.ended_at.is_none_or(|ended| ended + DEDUP_KEPT > at) => Err(
                format!("a dedup key is given again that stands for {before:?}"),
            ),
            _ => Ok(()),
        }
    }

    /// One request id, one effect, for ten minutes.
    pub(super) fn answered(&mut self, at: u64, request: u128) -> Check {
        match self.requests.insert(request, at) {
            Some(before) if before + REQUEST_KEPT > at => {
                Err(format!("request {request:x} is carried out twice"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn closed(&mut self, at: u64, key: Key, reason: Reason) -> Check {
        self.ends += 1;
        let task = self.tasks.get_mut(&key.task().0).ok_or("no such task")?;
        if key.index().is_none() && task.count.is_some() {
            task.rest_closed = true;
            let expires = reason == Reason::Expired;
            let units = self.units.range_mut(key..TaskId(key.task().0 + 1).key());
            for (_, unit) in units.filter(|(_, unit)| !unit.terminal) {
                if !(expires && unit.lease.is_some()) {
                    unit.close();
                }
            }
            self.note_end(at, key.task().0);
            return Ok(());
        }
        let unit = self.units.entry(key).or_default();
        if unit.terminal {
            return Err("what has ended ends again".to_owned());
        }
        unit.close();
        self.note_end(at, key.task().0);
        Ok(())
    }

    pub(super) fn revived(&mut self, at: u64, key: Key) -> Check {
        let unit = self.units.get_mut(&key).ok_or("it never ended")?;
        if !unit.terminal || unit.lease.is_some() {
            return Err("a round opens while the one before goes on".to_owned());
        }
        unit.terminal = false;
        (unit.failures, unit.losses) = (0, 0);
        unit.revivals += 1;
        let task = self.tasks.get(&key.task().0).ok_or("no such task")?;
        // A key whose hour was over does not come back with its task.
        if let Some(dedup) = task.dedup
            && let Some(facts) = self.dedup.get_mut(&(task.group, dedup))
            && facts.task == key.task().0
            && facts.ended_at.is_some_and(|ended| ended + DEDUP_KEPT > at)
        {
            facts.ended_at = None;
        }
        Ok(())
    }

    /// From the end of its task on a dedup key has an hour.
    pub(super) fn note_end(&mut self, at: u64, task: u64) {
        if !self.has_ended(task) {
            return;
        }
        let facts = self.tasks.get(&task);
        let key = facts.and_then(|facts| Some((facts.group, facts.dedup?)));
        if let Some(entry) = key.and_then(|key| self.dedup.get_mut(&key))
            && entry.task == task
            && entry.ended_at.is_none()
        {
            entry.ended_at = Some(at);
        }
    }

    /// Whether a task, or all of an array, is over.
    pub(crate) fn has_ended(&self, task: u64) -> bool {
        let Some(facts) = self.tasks.get(&task) else {
            return false;
        };
        let id = TaskId(task);
        let over = |key: Key| self.units.get(&key).is_some_and(|unit| unit.terminal);
        match facts.count {
            None => over(id.key()),
            Some(count) => (0..count).all(|index| {
                let key = id.element(index);
                over(key) || (facts.rest_closed && !self.units.contains_key(&key))
            }),
        }
    }

    /// Tasks that were accepted and are not over.
    pub(crate) fn unfinished(&self) -> Vec<u64> {
        let ids = self.tasks.keys().copied();
        ids.filter(|id| !self.has_ended(*id)).collect()
    }

    /// The spec of an accepted task.
    pub(crate) fn body(&self, task: u64) -> Option<&Bytes> {
        self.tasks.get(&task).map(|facts| &facts.body)
    }

    /// How often a task was revived; `None` for one that nothing has happened to.
    pub(crate) fn revivals(&self, task: u64) -> Option<u32> {
        self.units
            .get(&TaskId(task).key())
            .map(|unit| unit.revivals)
    }

    /// Whether a dedup key stands for something other than `content` now or lately.
    pub(crate) fn stands_for_other(&self, key: u128, content: u128) -> bool {
        let known = self.dedup.iter().filter(|((_, known), _)| *known == key);
        known.into_iter().any(|(_, facts)| facts.content != content)
    }
}

impl UnitFacts {
    fn close(&mut self) {
        self.terminal = true;
        if let Some(lease) = &mut self.lease {
            lease.revoked = true;
        }
    }
}

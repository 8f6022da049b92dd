//! Tasks are accepted, closed and revived; what clients may be told of them.

use bytes::Bytes;
use capataz_api::proto;
use capataz_engine::{Accepted, Ids, Key, Phase, Reason, Request, TaskId};
use prost::Message;

use super::facts::{DedupFacts, TaskFacts, UnitFacts};
use super::{Check, DEDUP_KEPT, Ledger, REQUEST_KEPT};
use crate::work::Work;

impl Ledger {
    pub(super) fn submitted(
        &mut self,
        at: u64,
        first: u64,
        request: Option<&(Request, Ids)>,
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
            let body = &accepted.task.body;
            let spec = proto::TaskSpec::decode(body.clone()).map_err(|error| error.to_string())?;
            let work = spec.payload.as_deref().and_then(Work::parse);
            let work = work.ok_or("a task nobody can have sent")?;
            let group = accepted.group.0;
            match accepted.task.dedup {
                Some((key, content)) => self.keyed(at, id, (group, key), content)?,
                None => self.accepted_once(at, work.number)?,
            }
            if !self.sent.contains(&work.number) {
                return Err(format!("task {id} was invented"));
            }
            let dedup = accepted.task.dedup.map(|(key, _)| key);
            let facts = TaskFacts::new(at, &spec, body.clone(), group, dedup);
            let waits = facts.not_before.is_none_or(|time| time <= at);
            self.tasks.insert(id, facts);
            self.live += 1;
            if waits {
                self.waits(TaskId(id).key());
            }
        }
        self.next_task = first + tasks.len() as u64;
        Ok(())
    }

    /// A call that is repeated while its request id is kept makes no second task.
    pub(super) fn accepted_once(&mut self, at: u64, number: u64) -> Check {
        match self.accepted.insert(number, at) {
            Some(before) if before + REQUEST_KEPT > at => Err(format!(
                "what client's task {number} asks for was accepted twice"
            )),
            _ => Ok(()),
        }
    }

    /// One dedup key, one task, for as long as the task lives and an hour.
    pub(super) fn keyed(&mut self, at: u64, task: u64, key: (u32, u128), content: u128) -> Check {
        let facts = DedupFacts {
            task,
            content,
            before: self.dedup.get(&key).map(|facts| facts.content),
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

    pub(super) fn closed(&mut self, at: u64, key: Key, phase: Phase, reason: Reason) -> Check {
        self.ends += 1;
        self.note_fate(key, Some(phase));
        let closed = self.close(at, key, reason);
        self.waits_no_more(key);
        closed.and_then(|()| self.step_task_over(key, phase))
    }

    fn close(&mut self, at: u64, key: Key, reason: Reason) -> Check {
        let task = self.tasks.get_mut(&key.task().0).ok_or("no such task")?;
        let whole = key.index().is_none() && task.count.is_some();
        let keys = match whole {
            true => key..TaskId(key.task().0 + 1).key(),
            false => key..Key::from_raw(key.to_raw() + 1),
        };
        task.rest_closed |= whole;
        if !whole && self.units.entry(key).or_default().terminal {
            return Err("what has ended ends again".to_owned());
        }
        let (expires, moment) = (reason == Reason::Expired, self.moment);
        let live = self.units.range_mut(keys).map(|(_, unit)| unit);
        for unit in live.filter(|unit| !unit.terminal) {
            // What runs is spared, and what an operator retried has no expiry in its new round.
            let spared = expires && whole && (unit.lease.is_some() || unit.revivals > 0);
            if !spared {
                unit.close();
                unit.changed = moment;
            }
        }
        self.note_end(at, key.task().0);
        Ok(())
    }

    pub(super) fn revived(&mut self, at: u64, key: Key) -> Check {
        self.note_fate(key, None);
        let task = self.tasks.get_mut(&key.task().0).ok_or("no such task")?;
        self.live += u64::from(std::mem::take(&mut task.over));
        let unit = self.units.entry(key).or_insert_with(|| UnitFacts {
            terminal: task.rest_closed,
            ..UnitFacts::default()
        });
        if !unit.terminal || unit.lease.is_some() {
            return Err("a round opens while the one before goes on".to_owned());
        }
        (unit.terminal, unit.changed) = (false, self.moment);
        (unit.failures, unit.losses) = (0, 0);
        unit.revivals += 1;
        unit.not_before = 0;
        // A key whose hour was over does not come back with its task.
        if let Some(dedup) = task.dedup
            && let Some(facts) = self.dedup.get_mut(&(task.group, dedup))
            && facts.task == key.task().0
            && facts.ended_at.is_some_and(|ended| ended + DEDUP_KEPT > at)
        {
            facts.ended_at = None;
        }
        self.waits(key);
        Ok(())
    }

    /// From the end of its task on a dedup key has an hour.
    pub(super) fn note_end(&mut self, at: u64, task: u64) {
        if !self.has_ended(task) {
            return;
        }
        let facts = self.tasks.get_mut(&task);
        let key = facts.and_then(|facts| {
            self.live -= u64::from(!std::mem::replace(&mut facts.over, true));
            Some((facts.group, facts.dedup?))
        });
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

    /// Whether a task, or an element of it, was ever revived.
    pub(crate) fn was_revived(&self, task: u64) -> bool {
        let keys = TaskId(task).key()..TaskId(task + 1).key();
        let mut units = self.units.range(keys);
        units.any(|(_, unit)| unit.revivals > 0)
    }

    /// How many elements an accepted array has.
    pub(crate) fn elements(&self, task: u64) -> Option<u32> {
        self.tasks.get(&task)?.count
    }

    /// Whether a dedup key stands for something other than `content`, or did before it stood for
    /// what it does: a refusal may be older than the newest record.
    pub(crate) fn stands_for_other(&self, key: u128, content: u128) -> bool {
        let mut known = self.dedup.iter().filter(|((_, known), _)| *known == key);
        let other = |before: Option<u128>| before.is_some_and(|before| before != content);
        known.any(|(_, facts)| facts.content != content || other(facts.before))
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

//! Live tasks by id, in pages: ids are handed out in order, so a page is as dense as the tasks
//! live, no insert ever moves what is there, and memory is returned when a page empties.

use std::collections::BTreeMap;

use super::Task;
use super::claims::{Claim, Claims};
use crate::id::TaskId;

const PAGE_BITS: u32 = 8;
pub(super) const PAGE: usize = 1 << PAGE_BITS;

struct Page {
    used: usize,
    slots: Vec<Option<Task>>,
    /// Their dedup keys, if any of them has one.
    claims: Option<Box<Claims>>,
}

/// Live tasks.
#[derive(Default)]
pub(crate) struct TaskTable {
    pages: BTreeMap<u64, Page>,
    len: u64,
}

fn place(id: TaskId) -> (u64, usize) {
    (id.0 >> PAGE_BITS, (id.0 & (PAGE as u64 - 1)) as usize)
}

impl Page {
    fn take_claim(&mut self, slot: usize) -> Option<Claim> {
        let claims = self.claims.as_mut()?;
        let claim = claims.take(slot);
        if claims.is_empty() {
            self.claims = None;
        }
        claim
    }
}

impl TaskTable {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn get(&self, id: TaskId) -> Option<&Task> {
        let (page, slot) = place(id);
        self.pages.get(&page)?.slots[slot].as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        let (page, slot) = place(id);
        self.pages.get_mut(&page)?.slots[slot].as_mut()
    }

    pub(crate) fn insert(&mut self, id: TaskId, task: Task) {
        let (page, slot) = place(id);
        let page = self.pages.entry(page).or_insert_with(|| {
            let mut slots = Vec::with_capacity(PAGE);
            slots.resize_with(PAGE, || None);
            Page {
                used: 0,
                slots,
                claims: None,
            }
        });
        if page.slots[slot].replace(task).is_none() {
            page.used += 1;
            self.len += 1;
        }
    }

    /// Removes a task, and with it its dedup key.
    pub(crate) fn remove(&mut self, id: TaskId) -> Option<(Task, Option<Claim>)> {
        let (number, slot) = place(id);
        let page = self.pages.get_mut(&number)?;
        let task = page.slots[slot].take()?;
        let claim = page.take_claim(slot);
        page.used -= 1;
        self.len -= 1;
        if page.used == 0 {
            self.pages.remove(&number);
        }
        Some((task, claim))
    }

    /// A task and its dedup key.
    pub(crate) fn with_claim(&self, id: TaskId) -> Option<(&Task, Option<Claim>)> {
        let (page, slot) = place(id);
        let page = self.pages.get(&page)?;
        let claims = page.claims.as_ref();
        let claim = claims.and_then(|claims| claims.get(slot));
        Some((page.slots[slot].as_ref()?, claim))
    }

    /// All tasks that have dedup keys.
    pub(crate) fn claims(&self) -> impl Iterator<Item = (TaskId, &Task, Claim)> {
        self.pages.iter().flat_map(|(page, content)| {
            let tasks = content.slots.iter().enumerate();
            tasks.filter_map(move |(slot, task)| {
                let claim = content.claims.as_ref()?.get(slot)?;
                let id = TaskId((page << PAGE_BITS) | slot as u64);
                Some((id, task.as_ref()?, claim))
            })
        })
    }

    /// Gives a task a dedup key.
    pub(crate) fn set_claim(&mut self, id: TaskId, claim: Claim) {
        let (page, slot) = place(id);
        if let Some(page) = self.pages.get_mut(&page) {
            page.claims.get_or_insert_default().set(slot, claim);
        }
    }

    /// Takes its dedup key from a task.
    pub(crate) fn take_claim(&mut self, id: TaskId) -> Option<Claim> {
        let (page, slot) = place(id);
        self.pages.get_mut(&page)?.take_claim(slot)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.pages.iter().flat_map(|(page, content)| {
            content
                .slots
                .iter()
                .enumerate()
                .filter_map(move |(slot, task)| {
                    Some((TaskId((page << PAGE_BITS) | slot as u64), task.as_ref()?))
                })
        })
    }
}

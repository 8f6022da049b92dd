//! Live tasks by id, in pages: ids are handed out in order, so a page is as dense as the tasks
//! live, no insert ever moves what is there, and memory is returned when a page empties.

use std::collections::BTreeMap;

use super::Task;
use crate::id::TaskId;

const PAGE_BITS: u32 = 8;
const PAGE: usize = 1 << PAGE_BITS;

struct Page {
    used: usize,
    slots: Vec<Option<Task>>,
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
            Page { used: 0, slots }
        });
        if page.slots[slot].replace(task).is_none() {
            page.used += 1;
            self.len += 1;
        }
    }

    pub(crate) fn remove(&mut self, id: TaskId) -> Option<Task> {
        let (number, slot) = place(id);
        let page = self.pages.get_mut(&number)?;
        let task = page.slots[slot].take()?;
        page.used -= 1;
        self.len -= 1;
        if page.used == 0 {
            self.pages.remove(&number);
        }
        Some(task)
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

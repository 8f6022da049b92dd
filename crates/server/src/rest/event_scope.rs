//! Which events a client wants: those of a group, of tasks with a tag, of one task or of one run.
//! Events only number their tasks, so the store is asked what groups and tags these have.

use std::collections::HashMap;

use capataz_engine::{Key, RunId, TaskId};
use capataz_journal::Position;

use super::context::Context;
use super::event_items::Item;
use crate::store::{ReadError, Reader};

/// Tasks that one stream remembers before it forgets them all.
const REMEMBERED: usize = 100_000;

/// Which events a client wants.
pub(super) struct Scope {
    group: Option<String>,
    tag: Option<String>,
    task: Option<Key>,
    run: Option<RunId>,
    /// Whether tasks are wanted, as far as they were looked up.
    known: HashMap<TaskId, bool>,
}

impl Scope {
    pub(super) fn new(
        group: Option<String>,
        tag: Option<String>,
        task: Option<Key>,
        run: Option<RunId>,
    ) -> Scope {
        Scope {
            group,
            tag,
            task,
            run,
            known: HashMap::new(),
        }
    }

    /// Whether only the events of one run are wanted.
    pub(super) fn is_of_run(&self) -> bool {
        self.run.is_some()
    }

    /// Keeps what is wanted of a record that ends at `end`; `None` when the store cannot tell now.
    pub(super) async fn select(
        &mut self,
        context: &Context,
        end: Position,
        mut items: Vec<Item>,
    ) -> Option<Vec<Item>> {
        if let Some(task) = self.task {
            let fits = |key: Key| key == task || key.task().key() == task;
            items.retain(|item| item.key.is_some_and(fits));
        }
        if self.run.is_some() {
            items.retain(|item| item.run == self.run);
        }
        if self.group.is_none() && self.tag.is_none() {
            return Some(items);
        }
        if !self.look_up(context, end, &items).await {
            return None;
        }
        items.retain(|item| match item.key {
            Some(key) => self.known.get(&key.task()).copied().unwrap_or(false),
            None => {
                let same = item.event.group.is_some() && item.event.group == self.group;
                same && self.tag.is_none()
            }
        });
        Some(items)
    }

    async fn look_up(&mut self, context: &Context, end: Position, items: &[Item]) -> bool {
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        let tasks = items.iter().filter_map(|item| Some(item.key?.task()));
        let mut unknown: Vec<TaskId> = tasks.filter(|id| !self.known.contains_key(id)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return true;
        }
        if context.await_store(end).await.is_err() {
            return false;
        }
        let (group, tag) = (self.group.clone(), self.tag.clone());
        let read = move |store: &Reader| {
            let look = |id: TaskId| {
                let task = store.task(id.key())?;
                let wanted = task.is_some_and(|task| {
                    group.as_ref().is_none_or(|group| task.group == *group)
                        && tag.as_ref().is_none_or(|tag| task.tags.contains(tag))
                });
                Ok((id, wanted))
            };
            unknown
                .into_iter()
                .map(look)
                .collect::<Result<Vec<_>, ReadError>>()
        };
        match context.read(read).await {
            Ok(found) => {
                self.known.extend(found);
                true
            }
            Err(_) => false,
        }
    }
}

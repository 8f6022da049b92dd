//! Which events a client wants: those of a group, of tasks with a tag, of one task or of one run. Events only
//! number their tasks, so the store is asked what they belong to.

use std::collections::HashMap;

use capataz_engine::{Key, RunId, TaskId};
use capataz_journal::Position;

use super::context::Context;
use super::event_items::Item;

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

    /// Keeps what is wanted of a record that ends at `end`.
    pub(super) async fn select(
        &mut self,
        context: &Context,
        end: Position,
        items: Vec<Item>,
    ) -> Vec<Item> {
        let by_task = self.task;
        let by_label = self.group.is_some() || self.tag.is_some() || self.run.is_some();
        let fits = |key: Key| by_task.is_none_or(|task| key == task || key.task().key() == task);
        let mut items = items;
        if by_task.is_some() {
            items.retain(|item| item.key.is_some_and(fits));
        }
        if !by_label {
            return items;
        }
        self.look_up(context, end, &items).await;
        items.retain(|item| match item.key {
            _ if item.run.is_some() && self.group.is_none() && self.tag.is_none() => {
                item.run == self.run
            }
            Some(key) => self.known.get(&key.task()).copied().unwrap_or(false),
            None => {
                let same = item.event.group.is_some() && item.event.group == self.group;
                same && self.tag.is_none() && self.run.is_none()
            }
        });
        items
    }

    async fn look_up(&mut self, context: &Context, end: Position, items: &[Item]) {
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        let tasks = items.iter().filter_map(|item| Some(item.key?.task()));
        let mut unknown: Vec<TaskId> = tasks.filter(|id| !self.known.contains_key(id)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() || context.await_store(end).await.is_err() {
            return;
        }
        let (group, tag, run) = (self.group.clone(), self.tag.clone(), self.run);
        let read = move |store: &crate::store::Reader| {
            let look = |id: TaskId| {
                let task = store.task(id.key())?;
                let wanted = task.is_some_and(|task| {
                    group.as_ref().is_none_or(|group| task.group == *group)
                        && tag.as_ref().is_none_or(|tag| task.tags.contains(tag))
                        && run.is_none_or(|run| task.step.is_some_and(|step| step.run == run))
                });
                Ok((id, wanted))
            };
            unknown
                .into_iter()
                .map(look)
                .collect::<Result<Vec<_>, crate::store::ReadError>>()
        };
        if let Ok(found) = context.read(read).await {
            self.known.extend(found);
        }
    }
}

//! Which step of which run a task is: events only number their tasks, but for the one with which a
//! task comes into being. The store is asked about those that a stream has not seen coming.

use std::collections::HashMap;

use capataz_api::rest::EventType;
use capataz_engine::{Key, RunId, TaskId};
use capataz_journal::Position;

use super::context::Context;
use super::event_items::Item;
use crate::store::{ReadError, Reader};

/// Tasks that one stream remembers before it forgets them all.
const REMEMBERED: usize = 100_000;

/// What a task is of; `None` for a task of its own.
type Place = Option<StepPlace>;

#[derive(Clone)]
struct StepPlace {
    run: RunId,
    /// Its name, as far as it is known.
    step: Option<String>,
    element: Option<u32>,
}

/// The tasks of a stream.
#[derive(Default)]
pub(super) struct StepTasks {
    known: HashMap<TaskId, Place>,
}

impl StepTasks {
    /// Says of the items of a record that ends at `end` which run, step and element they are about.
    /// False when the store cannot tell now.
    pub(super) async fn complete(
        &mut self,
        context: &Context,
        end: Position,
        items: &mut [Item],
    ) -> bool {
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        let mut unknown = Vec::new();
        for item in items.iter() {
            let Some(task) = item.key.map(Key::task) else {
                continue;
            };
            if item.event.r#type == EventType::TaskSubmitted {
                self.known.insert(task, said(item));
            } else if !self.known.contains_key(&task) {
                unknown.push(task);
            }
        }
        let told = self.look_up(context, end, unknown).await;
        for item in items {
            let place = item.key.and_then(|key| self.known.get(&key.task()));
            if let Some(Some(place)) = place {
                item.run = Some(place.run);
                item.event.run = Some(place.run.to_string());
                item.event.step.clone_from(&place.step);
                item.event.element = place.element;
            }
        }
        told
    }

    async fn look_up(&mut self, context: &Context, end: Position, mut tasks: Vec<TaskId>) -> bool {
        tasks.sort_unstable();
        tasks.dedup();
        if tasks.is_empty() {
            return true;
        }
        if context.await_store(end).await.is_err() {
            return false;
        }
        let read = move |store: &Reader| {
            let look = |task| Ok((task, place(store, task)?));
            tasks.into_iter().map(look).collect::<Result<Vec<_>, _>>()
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

/// What the event says with which a task came into being.
fn said(item: &Item) -> Place {
    Some(StepPlace {
        run: item.run?,
        step: item.event.step.clone(),
        element: item.event.element,
    })
}

fn place(store: &Reader, task: TaskId) -> Result<Place, ReadError> {
    let Some(of) = store.task(task.key())?.and_then(|task| task.step) else {
        return Ok(None);
    };
    let step = store.step_name(of.run, of.step)?;
    Ok(Some(StepPlace {
        run: of.run,
        step,
        element: of.element,
    }))
}

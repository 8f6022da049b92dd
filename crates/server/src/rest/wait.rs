//! Waiting for tasks to end, on the server's side.
//!
//! What a call waits for is what lives when it is first called. Later calls name that by a handle,
//! which holds all there is to know, so that any server can go on: the last task there was, and how
//! many had ended by then.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use capataz_api::problem::{Code, Problem};
use capataz_api::rest::{Counts, TaskState, WaitRequest, Waited};
use capataz_engine::{Key, TaskId};
use tokio::time::Instant;

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{Json as Body, NoQuery};
use super::{stats, task_item};
use crate::store::{ReadError, Reader, Selector, TaskFilter};

/// Between two looks at the store at the least.
const PAUSE: Duration = Duration::from_millis(2);
/// Live tasks that are read at once.
const STEP: usize = 256;
/// Tasks that are read at once when they must be counted one by one.
const COUNT_STEP: usize = 1_000;

/// Wait for tasks to end
///
/// Waits for what lives when it is called, `timeout` at the most; repeated with the `handle` of the
/// answer it goes on waiting for the same tasks. The counts of a group or tag are those of the
/// watched tasks as long as none of them is retried or removed meanwhile.
#[utoipa::path(post, path = "/api/v1/wait", operation_id = "wait", tag = "tasks",
    request_body(content = WaitRequest, example = json!({"tag": "nightly", "timeout": 30})),
    responses((status = 200, description = "How far it is.", body = Waited)))]
pub(super) async fn wait(
    State(context): State<Context>,
    _: NoQuery,
    Body(request): Body<WaitRequest>,
) -> Answer<Json<Waited>> {
    let deadline = Instant::now() + Duration::from(request.timeout);
    if let Some(waited) = ended_early(&context, &request).await? {
        return Ok(Json(waited));
    }
    let mut watch = Watch::begin(&context, &request).await?;
    let mut position = *context.namespace.watch_projected().borrow();
    loop {
        let mut projected = context.namespace.watch_projected();
        position = position.max(*projected.borrow_and_update());
        let looked = Instant::now();
        let (back, done) = context.read(move |store| watch.look(store)).await?;
        watch = back;
        if done || Instant::now() >= deadline {
            let read = move |store: &Reader| Ok((watch.counts(store)?, watch.handle()));
            let (counts, handle) = context.read(read).await?;
            let (remaining, handle) = (counts.live(), handle.to_string());
            let position = position.get();
            return Ok(Json(Waited {
                done,
                counts,
                remaining,
                handle,
                position,
            }));
        }
        // Looks take half of the time at the most.
        let pause = PAUSE.max(looked.elapsed().min(Duration::from_secs(1)) * 2);
        tokio::select! {
            _ = projected.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = context.stopped() => return Err(Context::stopping().into()),
        }
        // A look that took long is not taken again at once; one that was long ago is.
        tokio::time::sleep_until((looked + pause).min(deadline)).await;
    }
}

/// Waits for single tasks that are named without asking the store, which shows their ends some
/// milliseconds after they are durable. `None` when the store has to be asked after all.
async fn ended_early(context: &Context, request: &WaitRequest) -> Answer<Option<Waited>> {
    let keys: Result<Vec<Key>, _> = request.ids.iter().map(|id| task_item::key(id)).collect();
    let keys = keys?;
    let timeout = Duration::from(request.timeout);
    if keys.is_empty() || timeout.is_zero() || keys.iter().any(|key| key.index().is_some()) {
        return Ok(None);
    }
    let known = request.handle.as_deref().map(parse_handle).transpose()?;
    let tasks = keys.into_iter().map(Key::task).collect();
    let ended = tokio::select! {
        ended = context.namespace.ends(tasks, timeout) => ended?,
        () = context.stopped() => return Err(Context::stopping().into()),
    };
    let Some((phases, position)) = ended else {
        return Ok(None);
    };
    let mut counts = Counts::default();
    for phase in phases {
        *counts.get_mut(task_item::state(phase)) += 1;
    }
    Ok(Some(Waited {
        done: true,
        counts,
        remaining: 0,
        handle: known.unwrap_or_default().to_string(),
        position: position.get(),
    }))
}

/// The tasks that are waited for.
struct Watch {
    what: What,
    handle: Handle,
}

enum What {
    /// Named one by one, and the first of them that may live.
    Ids { keys: Vec<Key>, next: usize },
    /// Those of a group, with a tag, or both; and the first of them that may live.
    Selected {
        group: Option<String>,
        tag: Option<String>,
        next: Key,
    },
}

/// Names the watched tasks between calls.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Handle {
    /// The last task there was.
    last: u64,
    /// How many had ended by then, of all that the request selects.
    ended: [u64; ENDED.len()],
}

/// The states that a handle counts.
const ENDED: [TaskState; 4] = [
    TaskState::Succeeded,
    TaskState::Failed,
    TaskState::Cancelled,
    TaskState::Skipped,
];

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.last)?;
        self.ended.iter().try_for_each(|n| write!(f, ".{n}"))
    }
}

impl FromStr for Handle {
    type Err = ();

    fn from_str(text: &str) -> Result<Handle, ()> {
        let numbers: Result<Vec<u64>, _> = text.split('.').map(str::parse).collect();
        let numbers = numbers.map_err(|_| ())?;
        let (last, ended) = numbers.split_first().ok_or(())?;
        Ok(Handle {
            last: *last,
            ended: ended.try_into().map_err(|_| ())?,
        })
    }
}

impl Watch {
    async fn begin(context: &Context, request: &WaitRequest) -> Answer<Watch> {
        let known = request.handle.as_deref().map(parse_handle).transpose()?;
        let (last, position) = context
            .namespace
            .query(|state| state.next_task().0 - 1)
            .await?;
        context.await_store(position).await?;
        let keys: Result<Vec<Key>, _> = request.ids.iter().map(|id| task_item::key(id)).collect();
        let what = match keys? {
            keys if keys.is_empty() => What::Selected {
                group: request.group.clone(),
                tag: request.tag.clone(),
                next: TaskId(0).key(),
            },
            keys => What::Ids { keys, next: 0 },
        };
        let handle = Handle {
            last,
            ..Handle::default()
        };
        let mut watch = Watch {
            what,
            handle: known.unwrap_or(handle),
        };
        watch = context.read(move |store| watch.check(store)).await??;
        if known.is_none() {
            let counted = move |store: &Reader| {
                let counts = watch.counts(store)?;
                watch.handle.ended = ENDED.map(|state| counts.get(state));
                Ok(watch)
            };
            watch = context.read(counted).await?;
        }
        Ok(watch)
    }

    /// Refuses ids that the store does not have.
    fn check(self, store: &Reader) -> Result<Result<Watch, Problem>, ReadError> {
        if let What::Ids { keys, .. } = &self.what {
            let states = store.states(keys)?;
            let unknown = keys.iter().zip(&states).find(|(_, state)| state.is_none());
            if let Some((key, _)) = unknown {
                return Ok(Err(not_found("task", &key.to_string()).field("ids")));
            }
        }
        Ok(Ok(self))
    }

    /// Whether all have ended.
    fn look(mut self, store: &Reader) -> Result<(Watch, bool), ReadError> {
        let last = TaskId(self.handle.last.saturating_add(1)).key();
        let done = match &mut self.what {
            What::Ids { keys, next } => all_ended(store, keys, next)?,
            What::Selected { group, tag, next } => {
                none_lives(store, group.as_deref(), tag.as_deref(), next, last)?
            }
        };
        Ok((self, done))
    }

    fn handle(&self) -> Handle {
        self.handle
    }

    /// How many of the watched tasks are where.
    fn counts(&self, store: &Reader) -> Result<Counts, ReadError> {
        let (group, tag) = match &self.what {
            What::Ids { keys, .. } => return count_ids(store, keys),
            What::Selected { group, tag, .. } => (group.as_deref(), tag.as_deref()),
        };
        let filter = TaskFilter {
            group: group.map(str::to_owned),
            tag: tag.map(str::to_owned),
            limit: COUNT_STEP,
            ..TaskFilter::default()
        };
        let mut counts = match (group, tag) {
            (Some(group), None) => stats::counts(&store.group_counts(group)?),
            (None, Some(tag)) => stats::counts(&store.tag_counts(tag)?),
            _ => count_from(store, filter.clone(), 0)?,
        };
        // Those that came after the first call are the newest.
        let newcomers = count_from(store, filter, self.handle.last + 1)?;
        for state in TaskState::ALL {
            let before = ENDED.iter().position(|ended| *ended == state);
            let before = before.map_or(0, |place| self.handle.ended[place]);
            let count = counts.get_mut(state);
            *count = count.saturating_sub(newcomers.get(state) + before);
        }
        Ok(counts)
    }
}

fn parse_handle(text: &str) -> Result<Handle, Problem> {
    text.parse().map_err(|()| {
        let detail = "handle must be that of the answer before";
        Problem::new(Code::InvalidField, detail)
            .field("handle")
            .got(text)
    })
}

fn all_ended(store: &Reader, keys: &[Key], next: &mut usize) -> Result<bool, ReadError> {
    while *next < keys.len() {
        let step = &keys[*next..keys.len().min(*next + STEP)];
        let states = store.states(step)?;
        // One that retention removed meanwhile has ended.
        let lives = |state: &Option<(capataz_engine::Phase, _)>| {
            state.as_ref().is_some_and(|(phase, _)| phase.is_live())
        };
        if let Some(place) = states.iter().position(lives) {
            *next += place;
            return Ok(false);
        }
        *next += step.len();
    }
    Ok(true)
}

/// Whether no task below `end` lives; `next` moves to the first that does.
fn none_lives(
    store: &Reader,
    group: Option<&str>,
    tag: Option<&str>,
    next: &mut Key,
    end: Key,
) -> Result<bool, ReadError> {
    let selector = match (group, tag) {
        (_, Some(tag)) => Selector::Tag(tag),
        (group, None) => Selector::Group(group.unwrap_or_default()),
    };
    while *next < end {
        let live = store.live_keys(selector, *next, STEP)?;
        for key in live.keys.iter().take_while(|key| **key < end) {
            let fits = match (group, tag) {
                (Some(group), Some(_)) => store.task(*key)?.is_some_and(|task| task.group == group),
                _ => true,
            };
            if fits {
                *next = *key;
                return Ok(false);
            }
        }
        match live.next {
            Some(after) => *next = after,
            None => return Ok(true),
        }
    }
    Ok(true)
}

fn count_ids(store: &Reader, keys: &[Key]) -> Result<Counts, ReadError> {
    let mut counts = Counts::default();
    for key in keys {
        if let Some(task) = store.task(*key)? {
            add(&mut counts, &task);
        }
    }
    Ok(counts)
}

/// Counts the tasks that match, newest first, down to a number.
fn count_from(store: &Reader, filter: TaskFilter, first: u64) -> Result<Counts, ReadError> {
    let mut counts = Counts::default();
    let mut filter = filter;
    loop {
        let page = store.list(&filter)?;
        for task in &page.items {
            if task.key.task().0 < first {
                return Ok(counts);
            }
            add(&mut counts, task);
        }
        filter.after = page.cursor;
        if page.cursor.is_none() {
            return Ok(counts);
        }
    }
}

/// Counts a task; of an array its elements.
fn add(counts: &mut Counts, task: &crate::store::TaskRecord) {
    match &task.elements {
        None => *counts.get_mut(task_item::state(task.phase)) += 1,
        Some(elements) => {
            let elements = task_item::element_counts(elements);
            for state in TaskState::ALL {
                *counts.get_mut(state) += elements.get(state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_reads_back() {
        let handle = Handle {
            last: 12,
            ended: [1, 2, 3, 4],
        };
        assert_eq!(handle.to_string().parse(), Ok(handle));
        for bad in ["", "1", "1.2.3.4", "1.2.3.4.x", "1.2.3.4.5.6"] {
            assert!(bad.parse::<Handle>().is_err(), "{bad:?} was accepted");
        }
    }
}

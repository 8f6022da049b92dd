//! Which task goes to which worker next.

use crate::event::Change;
use crate::id::{Attempt, GroupId, Key, WorkerId};
use crate::limits;
use crate::state::{Level, Place, State, Task, Worker, place};

/// The next lease, if one can be given: the most urgent group that was served least recently, its
/// worker used least recently, and of its most urgent tasks the one that fits that worker best.
pub(super) fn next_lease(state: &State) -> Option<Change> {
    let group = state.ready.best()?;
    let id = state.least_used_worker(group)?;
    let worker = state.worker(id)?;
    let (key, matches) = choose(state, group, worker)?;
    let attempt = next_attempt(state, key);
    let id = better_worker(state, group, key, matches).unwrap_or(id);
    Some(leased(key, attempt, id))
}

/// Of the workers that could take the task as well, the one that fits it better than the one
/// whose turn it is; among equals the one used least recently. Nobody waits for it: the worker
/// that was passed over is the next to be asked.
fn better_worker(state: &State, group: GroupId, key: Key, matches: usize) -> Option<WorkerId> {
    let keys = state.tasks.get(key.task())?.affinity();
    if matches >= keys.len() {
        return None;
    }
    let mut best = None;
    let mut most = matches;
    for id in state.free_workers(group).take(limits::AFFINITY_WORKERS) {
        let found = state.worker(id).map_or(0, |worker| worker.matches(keys));
        if found > most {
            (best, most) = (Some(id), found);
        }
    }
    best
}

fn leased(key: Key, attempt: Attempt, worker: WorkerId) -> Change {
    Change::Leased {
        key,
        attempt,
        worker,
    }
}

fn next_attempt(state: &State, key: Key) -> Attempt {
    let task = state.tasks.get(key.task());
    task.and_then(|task| task.unit(key.index()))
        .map_or(0, |unit| unit.attempts)
        + 1
}

/// A task for the worker, and how many of its keys the worker has at hand.
fn choose(state: &State, group: GroupId, worker: &Worker) -> Option<(Key, usize)> {
    let group = state.group(group)?;
    let level = group.level(group.top()?)?;
    let key = match level.affine == 0 || worker.keys.is_empty() {
        true => level.head(&state.tasks)?,
        false => best_match(state, level, worker)?,
    };
    let task = state.tasks.get(key.task())?;
    Some((key, worker.matches(task.affinity())))
}

/// The task that shares most keys with the worker, the oldest of equals. One that was passed over
/// too often goes first, whatever it matches.
fn best_match(state: &State, level: &Level, worker: &Worker) -> Option<Key> {
    let mut best: Option<(usize, Place)> = None;
    let mut starved: Option<Place> = None;
    for (key, task) in level.window(&state.tasks, limits::AFFINITY_LOOK_AHEAD) {
        let place = place(key, task);
        if skips(task, key) >= limits::AFFINITY_SKIPS {
            starved = Some(starved.map_or(place, |other| other.min(place)));
        }
        let matches = worker.matches(task.affinity());
        let better =
            best.is_none_or(|(most, oldest)| matches > most || (matches == most && place < oldest));
        if better {
            best = Some((matches, place));
        }
    }
    starved
        .or(best.map(|(_, place)| place))
        .map(|(_, _, key)| key)
        .or_else(|| level.head(&state.tasks))
}

/// An array counts its skips as a whole.
fn skips(task: &Task, key: Key) -> u16 {
    match task.array() {
        Some(_) => task.unit.skips,
        None => task.unit(key.index()).map_or(0, |unit| unit.skips),
    }
}

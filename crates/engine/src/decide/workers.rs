//! Workers join, leave, are lost, and poll.

use std::cmp::Ordering;

use super::report::lost;
use super::settings::check_room;
use super::{answered, check_range, done};
use crate::command::{Answer, Decision, Ended, Hello};
use crate::event::Change;
use crate::id::{Attempt, GroupId, Key, PodId, WorkerId};
use crate::limits;
use crate::planted::{Bug, planted};
use crate::rejection::Rejection;
use crate::state::{Held, Lease, State, Worker};
use crate::time::Timestamp;

pub(super) fn join(state: &State, now: Timestamp, hello: Hello) -> Result<Decision, Rejection> {
    check_hello(&hello)?;
    let mut changes = Vec::new();
    let mut id = WorkerId(state.meta.next_worker);
    if let Some(known) = state.worker_names.get(&hello.name).copied()
        && let Some(worker) = state.worker(known)
    {
        if state.is_late(&hello) {
            return Err(Rejection::LateHello { name: hello.name });
        } else if worker.hello.incarnation == hello.incarnation {
            id = known;
            changes.extend(end_missing(state, now, known, &hello));
        } else if worker.hello.host != hello.host {
            let host = worker.hello.host.clone();
            return Err(Rejection::WorkerNameTaken {
                name: hello.name,
                host,
            });
        } else if worker.hello.incarnation > hello.incarnation
            && !planted(Bug::OldIncarnationAccepted)
        {
            // Incarnations are ordered by the time of their start.
            return Err(Rejection::WorkerReplaced { name: hello.name });
        } else {
            changes.extend(replace(state, now, known));
        }
    } else {
        check_room(state.workers.len(), limits::WORKERS, "workers")?;
    }
    changes.extend(release_held(state, &hello));
    let pod = pod_of(state, &hello, &mut changes)?;
    let groups = groups_of(state, &hello, &mut changes)?;
    let stop = hello
        .running
        .iter()
        .filter(|token| {
            let lease = state.leases.get(token);
            lease.is_none_or(|lease| lease.revoked || lease.worker != id)
        })
        .copied()
        .collect();
    let hello = Hello {
        running: Vec::new(),
        ..hello
    };
    changes.push(Change::Joined {
        worker: id,
        pod,
        groups,
        hello,
    });
    Ok(answered(now, changes, Answer::Joined { worker: id, stop }))
}

fn check_hello(hello: &Hello) -> Result<(), Rejection> {
    let slots = u64::from(limits::SLOTS);
    if !hello.polling {
        check_range("concurrency", 1, slots, hello.concurrency.into())?;
    }
    check_range("pod_slots", 1, slots, hello.pod_slots.unwrap_or(1).into())?;
    check_range(
        "groups",
        1,
        limits::WORKER_GROUPS as u64,
        hello.groups.len() as u64,
    )?;
    check_range(
        "affinity",
        0,
        limits::AFFINITY_KEYS as u64,
        hello.affinity.len() as u64,
    )?;
    check_range(
        "remember",
        0,
        limits::AFFINITY_KEYS as u64,
        hello.remember.into(),
    )
}

/// An older incarnation on the same host is gone, and its sandboxes with it: the newer one has
/// killed what it left before it joined. So its slots are free at once, in a pod that holds too.
fn replace(state: &State, now: Timestamp, id: WorkerId) -> Vec<Change> {
    let leases = state.leases_held_by(id);
    let mut changes: Vec<Change> = leases
        .map(|((key, attempt), _)| lost(state, now, key, attempt, Ended::Reported))
        .collect();
    changes.push(Change::Left {
        worker: id,
        lost: true,
    });
    changes
}

/// A session that goes on lists what it has. An attempt that it had started, or was told to stop,
/// and that it does not list is gone: nobody would ever report it. One that it had not started
/// never reached it and is sent again. Polling workers list nothing.
fn end_missing(state: &State, now: Timestamp, id: WorkerId, hello: &Hello) -> Vec<Change> {
    let is_listed = |token| hello.running.contains(&token) && !planted(Bug::RejoinForgetsRunning);
    let is_missing = |token, lease: &Lease| {
        !hello.polling && (lease.started || lease.revoked) && !is_listed(token)
    };
    state
        .leases_held_by(id)
        .filter(|(token, lease)| is_missing(*token, lease))
        .map(|((key, attempt), _)| lost(state, now, key, attempt, Ended::Reported))
        .collect()
}

/// Slots held for lost attempts of this worker, which by joining says that they are gone: all
/// those of an older incarnation, and those of this one that it does not list as running. A worker
/// of that name on another host knows nothing of them. A polling worker says neither what it runs
/// nor when its process began: only its reports, and operators, vouch for its sandboxes.
fn release_held(state: &State, hello: &Hello) -> Vec<Change> {
    let mut changes = Vec::new();
    if hello.polling && !planted(Bug::PollVouches) {
        return changes;
    }
    let is_own = |held: &&Held| held.worker == hello.name && held.host == hello.host;
    for (pod, entry) in &state.pods {
        for held in entry.held.iter().filter(is_own) {
            let token = (held.key, held.attempt);
            let is_gone = match held.incarnation.cmp(&hello.incarnation) {
                Ordering::Less => true,
                Ordering::Equal => !hello.running.contains(&token),
                // An old process that comes back knows nothing of its successor's sandboxes.
                Ordering::Greater => false,
            };
            if is_gone {
                let (key, attempt) = token;
                changes.push(Change::SlotReleased {
                    pod: *pod,
                    key,
                    attempt,
                });
            }
        }
    }
    changes
}

fn pod_of(state: &State, hello: &Hello, changes: &mut Vec<Change>) -> Result<PodId, Rejection> {
    if let Some(pod) = state.pod_names.get(&hello.pod) {
        let entry = state.pods.get(pod);
        // Only the first worker's flag counts, and none at all once an operator has set the pod.
        if let (Some(entry), Some(slots)) = (entry, hello.pod_slots)
            && entry.is_forgettable()
            && entry.slots != slots
        {
            let name = hello.pod.clone();
            changes.push(Change::PodForgotten { pod: *pod });
            let pod = PodId(state.meta.next_pod);
            changes.push(Change::PodCreated { pod, name, slots });
            return Ok(pod);
        }
        return Ok(*pod);
    }
    check_room(state.pods.len(), limits::PODS, "pods")?;
    let pod = PodId(state.meta.next_pod);
    let slots = hello.pod_slots.unwrap_or(1);
    changes.push(Change::PodCreated {
        pod,
        name: hello.pod.clone(),
        slots,
    });
    Ok(pod)
}

fn groups_of(
    state: &State,
    hello: &Hello,
    changes: &mut Vec<Change>,
) -> Result<Vec<GroupId>, Rejection> {
    let mut numbers: Vec<GroupId> = Vec::with_capacity(hello.groups.len());
    let mut made: Vec<(&str, GroupId)> = Vec::new();
    for name in &hello.groups {
        let known = state.group_names.get(name).copied();
        let known = known.or_else(|| Some(made.iter().find(|(n, _)| n == name)?.1));
        let group = match known {
            Some(group) => group,
            None => {
                check_room(state.groups.len() + made.len(), limits::GROUPS, "groups")?;
                let group = GroupId((state.groups.len() + made.len()) as u32);
                made.push((name, group));
                changes.push(Change::GroupCreated {
                    group,
                    name: name.clone(),
                });
                group
            }
        };
        if !numbers.contains(&group) {
            numbers.push(group);
        }
    }
    Ok(numbers)
}

pub(super) fn detach(state: &State, now: Timestamp, id: WorkerId) -> Result<Decision, Rejection> {
    let worker = known(state, id)?;
    Ok(done(
        now,
        worker.attached.then_some(Change::Detached { worker: id }),
    ))
}

pub(super) fn leave(state: &State, now: Timestamp, id: WorkerId) -> Result<Decision, Rejection> {
    let worker = known(state, id)?;
    if !worker.leases.is_empty() {
        let leases = worker.leases.len() as u32;
        return Err(Rejection::WorkerBusy {
            name: worker.hello.name.clone(),
            leases,
        });
    }
    // It has nothing left, so nothing of it runs in a slot that is held for it.
    let gone = Hello {
        running: Vec::new(),
        ..worker.hello.clone()
    };
    let mut changes = release_held(state, &gone);
    changes.push(Change::Left {
        worker: id,
        lost: false,
    });
    Ok(done(now, changes))
}

pub(super) fn lose(state: &State, now: Timestamp, id: WorkerId) -> Result<Decision, Rejection> {
    known(state, id)?;
    let mut changes = lose_leases(state, now, id);
    changes.push(Change::Left {
        worker: id,
        lost: true,
    });
    Ok(done(now, changes))
}

fn lose_leases(state: &State, now: Timestamp, id: WorkerId) -> Vec<Change> {
    let leases = state.leases_held_by(id);
    leases
        .map(|((key, attempt), _)| lost(state, now, key, attempt, Ended::Lost))
        .collect()
}

pub(super) fn poll(
    state: &State,
    now: Timestamp,
    id: WorkerId,
    poll: u128,
    max: u32,
) -> Result<Decision, Rejection> {
    let worker = known(state, id)?;
    check_range("max", 1, u64::from(limits::SLOTS), max.into())?;
    if let Some(last) = worker.poll.as_ref().filter(|last| last.id == poll) {
        let current: Vec<(Key, Attempt)> = last
            .leases
            .iter()
            .filter(|token| worker.leases.contains(token))
            .copied()
            .collect();
        if !current.is_empty() || last.credit > 0 {
            return Ok(answered(now, [], Answer::Leases(current)));
        }
    }
    Ok(done(
        now,
        [Change::PollOpened {
            worker: id,
            poll,
            max,
        }],
    ))
}

pub(super) fn end_poll(
    state: &State,
    now: Timestamp,
    id: WorkerId,
    poll: u128,
) -> Result<Decision, Rejection> {
    let worker = known(state, id)?;
    let open = worker
        .poll
        .as_ref()
        .is_some_and(|last| last.id == poll && last.credit > 0);
    Ok(done(now, open.then_some(Change::PollClosed { worker: id })))
}

pub(super) fn announce(
    state: &State,
    now: Timestamp,
    id: WorkerId,
    keys: Vec<u64>,
) -> Result<Decision, Rejection> {
    known(state, id)?;
    check_range(
        "affinity",
        0,
        limits::AFFINITY_KEYS as u64,
        keys.len() as u64,
    )?;
    Ok(done(now, [Change::Announced { worker: id, keys }]))
}

pub(super) fn drain(
    state: &State,
    now: Timestamp,
    id: WorkerId,
    on: bool,
) -> Result<Decision, Rejection> {
    let worker = known(state, id)?;
    Ok(done(
        now,
        (worker.draining != on).then_some(Change::DrainSet { worker: id, on }),
    ))
}

fn known(state: &State, id: WorkerId) -> Result<&Worker, Rejection> {
    state
        .worker(id)
        .ok_or(Rejection::UnknownWorker { worker: id.0 })
}

//! Accepting tasks: all of a submission or none.

use std::collections::BTreeMap;

use super::settings::check_room;
use super::{answered, check_range};
use crate::command::{Answer, Decision, Ids, NewTask, Submission};
use crate::event::{Accepted, Change};
use crate::id::{Attempt, GroupId, Key, MAX_ELEMENTS, TaskId};
use crate::limits;
use crate::planted::{Bug, planted};
use crate::policy::Policy;
use crate::rejection::Rejection;
use crate::state::{State, short};
use crate::time::Timestamp;

pub(super) fn submit(
    state: &State,
    now: Timestamp,
    submission: Submission,
) -> Result<Decision, Rejection> {
    if let Some(request) = submission.request
        && let Some(entry) = state.requests.get(request.id, now)
    {
        return match entry.content == request.content {
            true => Ok(answered(now, [], Answer::Submitted(entry.ids.clone()))),
            false => Err(Rejection::RequestConflict),
        };
    }
    check_submission(state, &submission)?;
    let Submission {
        request,
        groups,
        policies,
        tasks,
    } = submission;
    let (groups, mut changes) = number_groups(state, groups)?;
    let existing = find_duplicates(state, now, &groups, &tasks)?;
    let first = state.next_task();
    let ids = number_tasks(first, &existing);
    let accepted: Vec<Accepted> = tasks
        .into_iter()
        .zip(&existing)
        .filter(|(_, existing)| existing.is_none())
        .map(|(task, _)| Accepted {
            group: groups[task.group as usize],
            task: dated(task, now),
        })
        .collect();
    // A call that only names old tasks is on record, too: asked again it gets the same ids, even
    // when their keys stand for nothing any more.
    if accepted.is_empty() && request.is_none() {
        return Ok(answered(now, [], Answer::Submitted(ids)));
    }
    let request = request.filter(|_| !planted(Bug::RequestNotJournaled));
    let request = request.map(|request| (request, ids.clone()));
    changes.push(Change::Submitted {
        first,
        request,
        policies,
        tasks: accepted,
    });
    Ok(answered(now, changes, Answer::Submitted(ids)))
}

/// Accepts what an attempt submits beside itself, while it holds its lease. What was accepted under a
/// request id is told again whatever has become of the attempt.
pub(super) fn beside(
    state: &State,
    now: Timestamp,
    (key, attempt): (Key, Attempt),
    submission: Submission,
) -> Result<Decision, Rejection> {
    let request = submission.request;
    let known = request.is_some_and(|request| state.requests.get(request.id, now).is_some());
    match known || state.lease_is_current(key, attempt) {
        true => submit(state, now, submission),
        false => Err(Rejection::StaleLease { key, attempt }),
    }
}

/// Tasks that steps of a run become.
pub(super) struct StepTasks {
    pub(super) policies: Vec<Policy>,
    pub(super) tasks: Vec<Accepted>,
}

/// Accepts the tasks of a step: as any others, but for dedup keys, which steps do not have.
pub(super) fn accept(
    state: &State,
    now: Timestamp,
    submission: Submission,
) -> Result<(Vec<Change>, StepTasks), Rejection> {
    check_submission(state, &submission)?;
    let (groups, changes) = number_groups(state, submission.groups)?;
    let tasks = submission.tasks.into_iter().map(|task| Accepted {
        group: groups[task.group as usize],
        task: NewTask {
            dedup: None,
            count: None,
            ..dated(task, now)
        },
    });
    let tasks = StepTasks {
        policies: submission.policies,
        tasks: tasks.collect(),
    };
    Ok((changes, tasks))
}

fn check_submission(state: &State, submission: &Submission) -> Result<(), Rejection> {
    let Submission {
        groups,
        policies,
        tasks,
        ..
    } = submission;
    check_range(
        "tasks",
        1,
        limits::SUBMISSION_TASKS as u64,
        tasks.len() as u64,
    )?;
    check_room(
        state.live_tasks() as usize + tasks.len(),
        limits::LIVE_TASKS as usize,
        "tasks",
    )?;
    check_room(
        state.next_task().0 as usize + tasks.len(),
        limits::TASK_IDS as usize,
        "task ids",
    )?;
    for (index, task) in tasks.iter().enumerate() {
        check_task(index, task)?;
        check_index(index, "group", task.group, groups.len())?;
        check_index(index, "policy", task.policy, policies.len())?;
    }
    Ok(())
}

/// Spans count from when the task is accepted, by the leader's clock.
fn dated(mut task: NewTask, now: Timestamp) -> NewTask {
    let delay = task.delay.take().map(|delay| now + delay);
    let delay = delay.filter(|_| !planted(Bug::DelayIgnored));
    task.not_before = delay.or(task.not_before);
    let expires_in = task.expires_in.take().map(|span| now + span);
    task.expires_at = expires_in.or(task.expires_at);
    task
}

fn check_task(index: usize, task: &NewTask) -> Result<(), Rejection> {
    let field = |name: &str| format!("tasks[{index}].{name}");
    let (least, most) = (limits::PRIORITY_MIN, limits::PRIORITY_MAX);
    if !(least..=most).contains(&task.priority) {
        check_range(
            &field("priority"),
            least.into(),
            most.into(),
            task.priority.into(),
        )?;
    }
    if let Some(count) = task.count {
        check_range(&field("count"), 1, MAX_ELEMENTS.into(), count.into())?;
    }
    if task.affinity.len() > limits::AFFINITY_KEYS {
        let got = task.affinity.len() as u64;
        check_range(&field("affinity"), 0, limits::AFFINITY_KEYS as u64, got)?;
    }
    Ok(())
}

/// Refuses an index beyond the list that it points into.
fn check_index(index: usize, name: &str, got: u32, len: usize) -> Result<(), Rejection> {
    if (got as usize) < len {
        return Ok(());
    }
    let last = (len as u64).saturating_sub(1);
    Err(Rejection::OutOfRange {
        field: format!("tasks[{index}].{name}"),
        min: 0,
        max: last,
        got: got.into(),
    })
}

/// The numbers of the groups named, and the events that make the new ones.
fn number_groups(
    state: &State,
    names: Vec<String>,
) -> Result<(Vec<GroupId>, Vec<Change>), Rejection> {
    let mut changes = Vec::new();
    let mut made: BTreeMap<String, GroupId> = BTreeMap::new();
    let mut numbers = Vec::with_capacity(names.len());
    for name in names {
        if let Some(group) = state.group_names.get(&name).or_else(|| made.get(&name)) {
            numbers.push(*group);
            continue;
        }
        check_room(state.groups.len() + made.len(), limits::GROUPS, "groups")?;
        let group = GroupId((state.groups.len() + made.len()) as u32);
        changes.push(Change::GroupCreated {
            group,
            name: name.clone(),
        });
        made.insert(name, group);
        numbers.push(group);
    }
    Ok((numbers, changes))
}

/// For each task the one that its dedup key stands for already.
fn find_duplicates(
    state: &State,
    now: Timestamp,
    groups: &[GroupId],
    tasks: &[NewTask],
) -> Result<Vec<Option<TaskId>>, Rejection> {
    let mut seen: BTreeMap<(GroupId, u128), usize> = BTreeMap::new();
    let mut existing = vec![None; tasks.len()];
    for (index, task) in tasks.iter().enumerate() {
        let Some((key, content)) = task.dedup else {
            continue;
        };
        let group = groups[task.group as usize];
        if let Some(first) = seen.insert((group, key), index) {
            return Err(Rejection::DuplicateInBatch { index, first });
        }
        match state.stands_for(group, key, now) {
            Some((task, known)) if known == short(content) || planted(Bug::DedupContentIgnored) => {
                existing[index] = Some(task);
            }
            Some((task, _)) => {
                let existing: Key = task.key();
                return Err(Rejection::DedupConflict { index, existing });
            }
            None => {
                let limit = state.meta.limits.max_dedup_keys;
                if state.dedup.len() + seen.len() as u64 > limit {
                    return Err(Rejection::Full {
                        what: "dedup keys",
                        limit,
                    });
                }
            }
        }
    }
    Ok(existing)
}

fn number_tasks(first: TaskId, existing: &[Option<TaskId>]) -> Ids {
    if existing.iter().all(Option::is_none) {
        return Ids::Range {
            first,
            count: existing.len() as u32,
        };
    }
    let mut next = first.0;
    let mut number = |existing: &Option<TaskId>| {
        existing.unwrap_or_else(|| {
            next += 1;
            TaskId(next - 1)
        })
    };
    Ids::List(existing.iter().map(&mut number).collect())
}

//! Dedup keys through the lives of their tasks, and what the store is told of them.

use bytes::Bytes;

use super::*;
use crate::command::NewTask;
use crate::event::{Accepted, Change, Event};
use crate::policy::Policy;
use crate::reason::{Phase, Reason};
use crate::{apply, limits};

const AT: Timestamp = Timestamp(1_700_000_000_000_000);

fn state_with_groups(many: u32) -> State {
    let mut state = State::default();
    for number in 0..many {
        let (group, name) = (GroupId(number), number.to_string());
        carry_out(&mut state, AT, Change::GroupCreated { group, name });
    }
    state
}

fn carry_out(state: &mut State, at: Timestamp, change: Change) {
    apply(state, &Event { at, change });
}

fn submit(state: &mut State, at: Timestamp, id: u64, group: u32, key: u128) {
    let task = NewTask {
        group,
        policy: 0,
        priority: limits::PRIORITY_DEFAULT,
        count: None,
        not_before: None,
        delay: None,
        expires_at: None,
        expires_in: None,
        dedup: Some((key, u128::MAX - key)),
        affinity: Vec::new(),
        body: Bytes::new(),
    };
    let group = GroupId(group);
    let submitted = Change::Submitted {
        first: TaskId(id),
        request: None,
        policies: vec![Policy::default()],
        tasks: vec![Accepted { group, task }],
    };
    carry_out(state, at, submitted);
}

fn close(state: &mut State, at: Timestamp, id: u64) {
    let closed = Change::Closed {
        key: TaskId(id).key(),
        phase: Phase::Cancelled,
        reason: Reason::Requested,
        note: String::new(),
    };
    carry_out(state, at, closed);
}

fn task_of(state: &State, at: Timestamp, group: u32, key: u128) -> Option<u64> {
    let (task, content) = state.stands_for(GroupId(group), key, at)?;
    assert_eq!(content, short(u128::MAX - key));
    Some(task.0)
}

/// Names of entries that are there, and of those that are gone, as the store is told.
fn told(state: &mut State) -> (Vec<EntryKey>, Vec<EntryKey>) {
    let is_asked_for = |key: &EntryKey| matches!(key, EntryKey::Task(_) | EntryKey::Dedup(..));
    let dirty = state.take_dirty().into_iter();
    let (there, gone): (Vec<_>, Vec<_>) = dirty
        .filter(|(key, _)| is_asked_for(key))
        .partition(|(_, value)| value.is_some());
    let keys = |entries: Vec<(EntryKey, _)>| entries.into_iter().map(|(key, _)| key).collect();
    (keys(there), keys(gone))
}

#[test]
fn a_key_is_in_the_entry_of_its_task_and_gets_one_of_its_own_when_that_ends() {
    let mut state = state_with_groups(1);
    let (task, key) = (EntryKey::Task(TaskId(1)), EntryKey::Dedup(GroupId(0), 7));
    submit(&mut state, AT, 1, 0, 7);
    assert_eq!(told(&mut state), (vec![task], vec![]));
    close(&mut state, AT, 1);
    assert_eq!(told(&mut state), (vec![key], vec![task]));
    let over = AT + limits::DEDUP_KEPT;
    carry_out(&mut state, over, Change::TermRenewed);
    assert_eq!(told(&mut state), (vec![], vec![key]));
    // One that the store never had.
    submit(&mut state, over, 2, 0, 7);
    close(&mut state, over, 2);
    assert_eq!(told(&mut state), (vec![key], vec![]));
    assert_eq!(state.dedup.len(), 1);
}

#[test]
fn a_key_whose_time_is_over_is_taken_before_it_is_swept() {
    let mut state = state_with_groups(1);
    let many = limits::SWEEP_PER_EVENT as u64 + 2;
    for id in 1..=many {
        submit(&mut state, AT, id, 0, id.into());
        close(&mut state, AT, id);
    }
    told(&mut state);
    let over = AT + limits::DEDUP_KEPT;
    let last = u128::from(many);
    assert_eq!(task_of(&state, over, 0, last), None);
    submit(&mut state, over, many + 1, 0, last);
    assert_eq!(task_of(&state, over, 0, last), Some(many + 1));
    let (_, gone) = told(&mut state);
    assert!(gone.contains(&EntryKey::Dedup(GroupId(0), last)));
    // The one that is not swept yet, and the new one.
    assert_eq!(state.dedup.len(), 2);
}

#[test]
fn the_same_key_of_many_groups_is_as_many_keys() {
    let groups = 2_000;
    let mut state = state_with_groups(groups);
    for group in 0..groups {
        submit(&mut state, AT, u64::from(group) + 1, group, 7);
    }
    for group in 0..groups {
        let id = u64::from(group) + 1;
        assert_eq!(task_of(&state, AT, group, 7), Some(id));
        let candidates = state.dedup.live.candidates(hash(GroupId(group), 7));
        assert!(candidates.count() < 5, "all in one place");
    }
    (1..=u64::from(groups)).for_each(|id| close(&mut state, AT, id));
    assert_eq!(
        (state.dedup.live.len(), state.dedup.len()),
        (0, groups.into())
    );
}

#[test]
fn events_of_no_journal_leave_no_key_behind() {
    let mut state = state_with_groups(2);
    submit(&mut state, AT, 1, 0, 7);
    // Another task takes the key of one that lives; then its id is given again.
    submit(&mut state, AT, 2, 0, 7);
    assert_eq!(task_of(&state, AT, 0, 7), Some(2));
    submit(&mut state, AT, 2, 1, 8);
    assert_eq!(task_of(&state, AT, 0, 7), None);
    assert_eq!(task_of(&state, AT, 1, 8), Some(2));
    assert_eq!(state.dedup.len(), 1);
    close(&mut state, AT, 1);
    close(&mut state, AT, 2);
    assert_eq!((state.dedup.live.len(), state.dedup.len()), (0, 1));
}

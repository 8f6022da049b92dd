//! The owner's promises, with a journal that syncs when the test says so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use capataz_engine::{
    Answer, Command, Hello, NewTask, Outcome, Policy, Rejection, Report, State, Submission,
    Timestamp, Usage, WorkerId,
};
use capataz_journal::Position;

use super::*;
use crate::clock::Now;
use crate::store::Batch;

/// An owner with everything that it said.
pub(super) struct World {
    pub(super) owner: Owner,
    seconds: u64,
    said: Arc<Mutex<Vec<String>>>,
    batches: Arc<Mutex<Vec<Batch>>>,
}

impl World {
    pub(super) fn new() -> World {
        World::with(State::default(), OwnerOptions::default())
    }

    pub(super) fn with(state: State, options: OwnerOptions) -> World {
        let batches = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&batches);
        let sink = Box::new(move |batch| kept.lock().unwrap().push(batch));
        let epoch = state.epoch() + 1;
        let mut owner = Owner::new(state, Position::ZERO, at(0), options, sink);
        let append = owner
            .start_epoch(at(0), epoch, "test".to_owned())
            .expect("a record");
        owner.durable(append.expected.advance(1));
        let said = Arc::default();
        World {
            owner,
            seconds: 0,
            said,
            batches,
        }
    }

    pub(super) fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) -> Option<ToAppend> {
        let mut inputs: VecDeque<Input> = inputs.into_iter().collect();
        self.owner.turn(at(self.seconds), &mut inputs)
    }

    /// Time goes by.
    pub(super) fn later(&mut self, by: Duration) {
        self.seconds += by.as_secs();
        self.durable_turn([]);
    }

    /// A turn whose record becomes durable at once.
    pub(super) fn durable_turn(&mut self, inputs: impl IntoIterator<Item = Input>) {
        if let Some(append) = self.turn(inputs) {
            self.owner.durable(append.expected.advance(1));
        }
    }

    pub(super) fn reply<T: std::fmt::Debug + 'static>(&self, name: &'static str) -> Reply<T> {
        let said = Arc::clone(&self.said);
        Box::new(move |result| {
            let text = match result {
                Ok(value) => format!("{name}: {value:?}"),
                Err(error) => format!("{name}: refused: {error}"),
            };
            said.lock().unwrap().push(text);
        })
    }

    pub(super) fn session(&self, number: u64, name: &'static str) -> Session {
        let said = Arc::clone(&self.said);
        let send = Box::new(move |message| {
            said.lock().unwrap().push(format!("{name} <- {message:?}"));
        });
        Session { number, send }
    }

    pub(super) fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().unwrap())
    }

    pub(super) fn submit(&self, tasks: usize) -> Input {
        let task = NewTask {
            group: 0,
            policy: 0,
            priority: 5,
            count: None,
            not_before: None,
            delay: None,
            expires_at: None,
            expires_in: None,
            dedup: None,
            affinity: Vec::new(),
            body: bytes::Bytes::from_static(b"spec"),
        };
        let submission = Submission {
            request: None,
            groups: vec!["g".to_owned()],
            policies: vec![Policy::default()],
            tasks: vec![task; tasks],
        };
        Input::Command(Command::Submit(submission), self.reply("submit"))
    }
}

fn at(seconds: u64) -> Now {
    let wall = Timestamp((1_000_000 + seconds) * 1_000_000);
    Now {
        wall,
        mono: Duration::from_secs(seconds),
    }
}

pub(super) fn hello(name: &str, polling: bool) -> Hello {
    Hello {
        name: name.to_owned(),
        incarnation: 1,
        connection: 0,
        host: "host".to_owned(),
        build: "test".to_owned(),
        pod: "pod".to_owned(),
        pod_slots: Some(2),
        groups: vec!["g".to_owned()],
        concurrency: if polling { 0 } else { 2 },
        polling,
        remember: 0,
        affinity: Vec::new(),
        running: Vec::new(),
    }
}

pub(super) fn succeeded(task: u64, attempt: u32) -> Report {
    Report {
        key: capataz_engine::TaskId(task).key(),
        attempt,
        outcome: Outcome::Succeeded,
        value: bytes::Bytes::new(),
        output: bytes::Bytes::new(),
        usage: Usage::default(),
    }
}

#[test]
fn nothing_is_said_before_it_is_durable() {
    let mut world = World::new();
    let first = world.turn([world.submit(1)]).expect("a record");
    assert!(world.said().is_empty(), "the acknowledgement waits");
    // A question and a refusal of a later turn see provisional state, so they wait, too.
    let answer = Arc::clone(&world.said);
    let question = Input::Query(Box::new(move |state, position| {
        let text = format!("{} tasks at {position}", state.live_tasks());
        Box::new(move || answer.lock().unwrap().push(text))
    }));
    let missing = capataz_engine::TaskId(9).key();
    let cancel = Command::Cancel {
        key: missing,
        note: String::new(),
    };
    let refused = Input::Command(cancel, world.reply("cancel"));
    let second = world.turn([question, refused]);
    assert!(second.is_none(), "neither makes a record");
    assert!(
        world.said().is_empty(),
        "they wait for the record before them"
    );
    world.owner.durable(first.expected.advance(1));
    let said = world.said();
    assert!(said[0].starts_with("submit: Called"), "{said:?}");
    assert_eq!(said[1], "1 tasks at 2");
    assert_eq!(said[2], "cancel: refused: no live task 9");
}

#[test]
fn a_task_and_its_first_dispatch_share_a_record_and_wait_for_it() {
    let mut world = World::new();
    world.durable_turn([Input::Join(hello("w", false), world.session(1, "w"))]);
    assert_eq!(
        world.said(),
        ["w <- Welcome { worker: WorkerId(0), stop: [] }"]
    );
    let record = world.turn([world.submit(1)]).expect("a record");
    assert!(world.said().is_empty(), "the dispatch waits");
    world.owner.durable(record.expected.advance(1));
    let said = world.said();
    assert!(
        said[0].starts_with("w <- Work([LeasedTask"),
        "before the reply: {said:?}"
    );
    assert!(said[1].starts_with("submit: "), "{said:?}");
    world.durable_turn([Input::Reports {
        worker: WorkerId(0),
        started: Vec::new(),
        ended: vec![succeeded(1, 1), succeeded(1, 1)],
    }]);
    let acknowledged = world.said();
    assert!(
        acknowledged[0].starts_with("w <- Acknowledged("),
        "repeats too: {acknowledged:?}"
    );
    assert_eq!(world.owner.state().live_tasks(), 0);
}

#[test]
fn out_of_its_term_a_leader_answers_a_heartbeat_only_after_a_record() {
    let mut world = World::new();
    world.durable_turn([Input::Join(hello("w", false), world.session(1, "w"))]);
    world.said();
    let beat = |sequence| Input::Heartbeat {
        worker: WorkerId(0),
        session: 1,
        sequence,
    };
    world.seconds = 1;
    assert!(
        world.turn([beat(1)]).is_none(),
        "within its term it needs no record"
    );
    assert_eq!(world.said(), ["w <- Heartbeat(1)"]);
    world.seconds = 10;
    let record = world
        .turn([beat(2)])
        .expect("a record that proves the leadership");
    assert!(world.said().is_empty());
    world.owner.durable(record.expected.advance(1));
    assert_eq!(world.said(), ["w <- Heartbeat(2)"]);
}

#[test]
fn a_record_that_was_sent_before_the_term_answers_no_heartbeat() {
    let mut world = World::new();
    world.durable_turn([Input::Join(hello("w", false), world.session(1, "w"))]);
    let slow = world.turn([world.submit(1)]).expect("a record");
    world.said();
    world.seconds = 10;
    let beat = Input::Heartbeat {
        worker: WorkerId(0),
        session: 1,
        sequence: 1,
    };
    let renewal = world.turn([beat]).expect("another leader may have come");
    world.owner.durable(slow.expected.advance(1));
    let said = world.said();
    assert!(!said.contains(&"w <- Heartbeat(1)".to_owned()), "{said:?}");
    world.owner.durable(renewal.expected.advance(1));
    assert_eq!(world.said(), ["w <- Heartbeat(1)"]);
}

#[test]
fn entries_for_the_store_do_not_prove_that_a_leader_leads() {
    let mut world = World::new();
    world.durable_turn([Input::Join(hello("w", false), world.session(1, "w"))]);
    let tail = world.owner.tail();
    world.seconds = 10;
    assert!(world.turn([Input::Projected(tail)]).is_none());
    let beat = Input::Heartbeat {
        worker: WorkerId(0),
        session: 1,
        sequence: 1,
    };
    assert!(world.turn([beat]).is_some(), "only a record proves it");
}

#[test]
fn a_silent_worker_is_lost_after_lease_term_and_margin() {
    let mut world = World::new();
    world.durable_turn([
        Input::Join(hello("w", false), world.session(1, "w")),
        world.submit(1),
    ]);
    let lost_after = OwnerOptions::default().lost_after().as_secs();
    world.seconds = lost_after - 1;
    world.durable_turn([]);
    assert_eq!(world.owner.state().live_leases(), 1);
    world.seconds = lost_after;
    world.durable_turn([]);
    assert_eq!(world.owner.state().live_leases(), 0);
    assert!(world.owner.state().worker_views().is_empty());
}

#[test]
fn a_new_leader_gives_every_worker_a_full_term_again() {
    let mut world = World::new();
    world.durable_turn([
        Input::Join(hello("w", false), world.session(1, "w")),
        world.submit(1),
    ]);
    world.seconds = 17;
    world.durable_turn([]);
    let state = std::mem::take(&mut world.owner.state);
    let mut next = World::with(state, OwnerOptions::default());
    next.seconds = 17;
    next.durable_turn([]);
    assert_eq!(next.owner.state().live_leases(), 1, "its clock begins anew");
    next.seconds = 18;
    next.durable_turn([]);
    assert_eq!(next.owner.state().live_leases(), 0);
}

#[test]
fn an_old_session_that_ends_does_not_touch_the_new_one() {
    let mut world = World::new();
    world.durable_turn([Input::Join(hello("w", false), world.session(1, "old"))]);
    world.durable_turn([Input::Join(hello("w", false), world.session(2, "new"))]);
    world.durable_turn([Input::Gone {
        worker: WorkerId(0),
        session: 1,
        goodbye: false,
    }]);
    assert!(world.owner.state().worker_views()[0].attached);
    world.durable_turn([Input::Gone {
        worker: WorkerId(0),
        session: 2,
        goodbye: true,
    }]);
    assert!(
        world.owner.state().worker_views().is_empty(),
        "it said goodbye"
    );
}

#[test]
fn work_that_was_on_its_way_to_a_worker_that_left_is_done_by_another() {
    let mut world = World::new();
    world.durable_turn([
        Input::Join(hello("w", false), world.session(1, "w")),
        world.submit(1),
    ]);
    world.durable_turn([Input::Gone {
        worker: WorkerId(0),
        session: 1,
        goodbye: true,
    }]);
    assert!(world.owner.state().worker_views().is_empty(), "it left");
    let task = capataz_engine::TaskId(1).key();
    let view = world.owner.state().task_view(task).expect("it lives");
    assert_eq!(view.phase, capataz_engine::Phase::Queued);
}

#[test]
fn the_same_poll_gets_the_same_leases() {
    let mut world = World::new();
    let poll = |world: &World, name| {
        Input::Poll(PollCall {
            hello: hello("w", true),
            poll: 7,
            max: 1,
            wait: Duration::from_secs(5),
            reply: world.reply(name),
        })
    };
    world.durable_turn([poll(&world, "first")]);
    assert!(world.said().is_empty(), "it waits for work");
    world.durable_turn([world.submit(2)]);
    let said = world.said();
    assert!(
        said.iter()
            .any(|line| line.starts_with("first: [LeasedTask")),
        "{said:?}"
    );
    world.durable_turn([poll(&world, "again")]);
    let again = world.said();
    assert_eq!(again.len(), 1);
    let leases = |line: &str| line.split_once(": ").map(|(_, rest)| rest.to_owned());
    let first = said
        .iter()
        .find(|line| line.starts_with("first"))
        .expect("an answer");
    assert_eq!(leases(first), leases(&again[0]));
    assert_eq!(world.owner.state().live_leases(), 1);
}

/// Found in simulation: the worker counted as detached for as long as it lived, and got no work.
#[test]
fn an_old_session_that_ends_before_the_new_ones_join_is_durable_does_not_detach_it() {
    let mut world = World::new();
    let join = |world: &World, number| Input::Join(hello("w", false), world.session(number, "w"));
    world.durable_turn([join(&world, 1)]);
    let joined = world.turn([join(&world, 2)]).expect("a record");
    let gone = world.turn([Input::Gone {
        worker: WorkerId(0),
        session: 1,
        goodbye: false,
    }]);
    let last = gone.unwrap_or(joined).expected.advance(1);
    world.owner.durable(last);
    let view = world.owner.state().worker_view(WorkerId(0));
    assert!(view.expect("a worker").attached);
    world.durable_turn([world.submit(1)]);
    assert!(world.said().iter().any(|line| line.contains("<- Work")));
}

/// Found in simulation: a worker that heard of the cancel first said that nothing of the attempt was
/// left, got the attempt in the next message, and ran it in a slot that was given to another.
#[test]
fn a_heartbeat_of_an_old_session_is_not_answered_to_the_one_that_joined_after_it() {
    let mut world = World::new();
    world.durable_turn([Input::Join(hello("w", false), world.session(1, "old"))]);
    world.said();
    let join = world.turn([Input::Join(hello("w", false), world.session(2, "new"))]);
    let beat = Input::Heartbeat {
        worker: WorkerId(0),
        session: 1,
        sequence: 1,
    };
    assert!(world.turn([beat]).is_none());
    let join = join.expect("a record of the join");
    world.owner.durable(join.expected.advance(1));
    assert_eq!(world.said().len(), 1, "the welcome and nothing else");
}

#[test]
fn a_hello_that_arrives_after_a_later_one_of_its_process_is_not_heard() {
    let mut world = World::new();
    let on = |connection| Hello {
        connection,
        ..hello("w", false)
    };
    world.durable_turn([Input::Join(on(2), world.session(2, "new")), world.submit(1)]);
    let token = (capataz_engine::TaskId(1).key(), 1);
    world.durable_turn([Input::Reports {
        worker: WorkerId(0),
        started: vec![(token, capataz_engine::Span(0))],
        ended: Vec::new(),
    }]);
    world.said();
    world.durable_turn([Input::Join(on(1), world.session(1, "old"))]);
    assert!(world.owner.state().lease_is_current(token.0, token.1));
    assert!(world.said().is_empty(), "nobody listens there any more");
}

#[test]
fn work_that_is_cancelled_in_the_turn_that_would_send_it_is_not_sent() {
    let mut world = World::new();
    world.durable_turn([
        Input::Join(hello("w", false), world.session(1, "w")),
        world.submit(1),
    ]);
    world.said();
    let key = capataz_engine::TaskId(1).key();
    let note = String::new();
    let cancel = Command::Cancel { key, note };
    world.durable_turn([
        Input::Join(hello("w", false), world.session(2, "w")),
        Input::Command(cancel, world.reply("cancel")),
    ]);
    let said = world.said();
    assert!(said.iter().any(|line| line.contains("<- Stop")), "{said:?}");
    assert!(
        !said.iter().any(|line| line.contains("<- Work")),
        "{said:?}"
    );
}

/// Found in simulation: with a slow disk the owner's thread was awake all the time.
#[test]
fn an_owner_that_can_take_no_turn_waits_for_durability_only() {
    let mut world = World::new();
    world.durable_turn([Input::Join(hello("w", false), world.session(1, "w"))]);
    let mut last = None;
    while world.owner.has_room_in_flight() {
        last = world.turn([world.submit(1)]);
    }
    assert_eq!(
        world.owner.next_wake(),
        None,
        "the worker's lease has to wait"
    );
    let tail = last.expect("a record").expected.advance(1);
    world.owner.durable(tail);
    assert!(world.owner.next_wake().is_some());
}

#[test]
fn a_poll_that_finds_nothing_ends_when_its_time_is_over() {
    let mut world = World::new();
    let call = PollCall {
        hello: hello("w", true),
        poll: 7,
        max: 1,
        wait: Duration::from_secs(5),
        reply: world.reply("poll"),
    };
    world.durable_turn([Input::Poll(call)]);
    assert_eq!(world.owner.next_wake(), Some(Duration::from_secs(5)));
    world.seconds = 5;
    world.durable_turn([]);
    assert_eq!(world.said(), ["poll: []"]);
    world.durable_turn([world.submit(1)]);
    assert_eq!(
        world.owner.state().live_leases(),
        0,
        "its credit ended with it"
    );
}

#[test]
fn without_room_new_tasks_are_refused_and_running_ones_end() {
    let mut world = World::new();
    world.durable_turn([
        Input::Join(hello("w", false), world.session(1, "w")),
        world.submit(1),
    ]);
    world.durable_turn([Input::StoreRoom(false)]);
    world.said();
    world.durable_turn([world.submit(1)]);
    let said = world.said();
    assert!(
        said[0].starts_with("submit: refused: the disk or its quota is full"),
        "{said:?}"
    );
    let ended = vec![succeeded(1, 1)];
    world.durable_turn([Input::Reports {
        worker: WorkerId(0),
        started: Vec::new(),
        ended,
    }]);
    assert_eq!(world.owner.state().live_tasks(), 0);
}

#[test]
fn a_store_that_lags_too_far_behind_stops_new_tasks() {
    let options = OwnerOptions {
        lag_max: 10,
        ..OwnerOptions::default()
    };
    let mut world = World::with(State::default(), options);
    world.durable_turn([world.submit(1)]);
    world.durable_turn([world.submit(1)]);
    let said = world.said();
    assert!(said[1].contains("the store lags behind"), "{said:?}");
    let end = world.owner.tail();
    world.durable_turn([Input::Projected(end), world.submit(1)]);
    assert!(world.said()[0].starts_with("submit: Called"));
}

#[test]
fn what_the_store_gets_rebuilds_the_state() {
    let mut world = World::new();
    world.durable_turn([
        Input::Join(hello("w", false), world.session(1, "w")),
        world.submit(3),
    ]);
    let tail = world.owner.tail();
    world.durable_turn([Input::Projected(tail)]);
    let ended = vec![succeeded(1, 1)];
    world.durable_turn([Input::Reports {
        worker: WorkerId(0),
        started: Vec::new(),
        ended,
    }]);
    let tail = world.owner.tail();
    world.durable_turn([Input::Projected(tail)]);
    let mut entries = std::collections::BTreeMap::new();
    for batch in world.batches.lock().unwrap().iter() {
        for (key, value) in batch.entries.iter().flatten() {
            match value {
                Some(value) => entries.insert(*key, value.clone()),
                None => entries.remove(key),
            };
        }
    }
    let mut restored = State::default();
    for (key, value) in &entries {
        restored.restore_entry(*key, value).expect("a whole entry");
    }
    restored.finish_restore();
    assert_eq!(restored.hash(), world.owner.state().hash());
}

#[test]
fn a_stale_epoch_is_refused() {
    let mut world = World::new();
    let limits = OwnerOptions::default().limits;
    let command = Command::StartEpoch {
        epoch: 1,
        writer: String::new(),
        limits,
    };
    let refused = world.owner.run(command);
    assert_eq!(refused, Err(Rejection::StaleEpoch { current: 1, got: 1 }));
    assert_eq!(world.owner.run(Command::RenewTerm), Ok(Answer::Done));
}

//! What those are told who wait for tasks to end, when tasks live again meanwhile.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use capataz_engine::{Command, Phase, Policy, Revival, TaskId, Timestamp};

use super::*;
use crate::clock::Now;

/// An owner whose records are durable at once, and what it answered to those who wait.
struct World {
    owner: Owner,
    told: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// With two tasks, 1 and 2.
    fn new() -> World {
        let mut started = tests::World::new();
        let submit = started.submit(2);
        started.durable_turn([submit]);
        World {
            owner: started.owner,
            told: Arc::default(),
        }
    }

    fn ask(&mut self, command: Command) {
        let accepted = |result: Result<Called, CallError>| assert!(result.is_ok(), "{result:?}");
        self.take(Input::Command(command, Box::new(accepted)));
    }

    fn take(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        if let Some(append) = self.owner.turn(NOW, &mut inputs) {
            self.owner.durable(append.expected.advance(1));
        }
    }

    fn cancel(&mut self, task: u64) {
        let (key, note) = (TaskId(task).key(), String::new());
        self.ask(Command::Cancel { key, note });
    }

    fn retry(&mut self, task: u64) {
        self.ask(Command::Retry(Revival {
            key: TaskId(task).key(),
            group: "g".to_owned(),
            policy: Policy::default(),
            priority: 5,
            affinity: Vec::new(),
            submitted_at: Timestamp(1),
            attempts: 0,
            rounds: 1,
            dedup: None,
        }));
    }

    fn wait(&mut self, tasks: [u64; 2]) {
        let told = Arc::clone(&self.told);
        self.take(Input::AwaitEnds(EndsCall {
            tasks: tasks.map(TaskId).to_vec(),
            patience: Duration::from_secs(60),
            reply: Box::new(move |ends| told.lock().unwrap().push(format!("{ends:?}"))),
        }));
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

const NOW: Now = Now {
    wall: Timestamp(1_000_000_000_000),
    mono: Duration::ZERO,
};

#[test]
fn who_waits_for_a_task_that_lives_again_goes_on_waiting() {
    let mut world = World::new();
    world.wait([1, 2]);
    world.cancel(1);
    world.retry(1);
    world.cancel(2);
    assert_eq!(world.told(), Vec::<String>::new());
    world.cancel(1);
    let [told] = &world.told()[..] else {
        panic!("one answer");
    };
    assert!(told.contains("[Cancelled, Cancelled]"), "{told}");
}

#[test]
fn an_end_before_a_task_lived_again_is_not_told() {
    let mut world = World::new();
    world.cancel(2);
    // As an attempt that failed would have it.
    world.owner.ends.remember(TaskId(2), Phase::Cancelled);
    world.cancel(1);
    world.owner.ends.remember(TaskId(1), Phase::Failed);
    world.retry(1);
    world.cancel(1);
    world.wait([1, 2]);
    assert_eq!(world.told(), ["Ok(None)"], "the store knows");
}

#[test]
fn who_waits_for_an_end_hears_of_it_when_it_is_durable_and_not_before() {
    let mut world = tests::World::new();
    world.durable_turn([Input::Join(tests::hello("w", false), world.session(1, "w"))]);
    world.durable_turn([world.submit(2)]);
    world.said();
    let await_ends = |world: &tests::World, name, task| {
        Input::AwaitEnds(EndsCall {
            tasks: vec![TaskId(task)],
            patience: Duration::from_secs(60),
            reply: world.reply(name),
        })
    };
    let early = await_ends(&world, "early", 1);
    world.durable_turn([early]);
    let ended = Input::Reports {
        worker: capataz_engine::WorkerId(0),
        started: Vec::new(),
        ended: vec![tests::succeeded(1, 1)],
    };
    let record = world.turn([ended]).expect("a record");
    // It has ended, but that is not durable yet.
    let late = await_ends(&world, "late", 1);
    assert!(world.turn([late]).is_none(), "a question makes no record");
    assert!(world.said().is_empty());
    let durable = record.expected.advance(1);
    world.owner.durable(durable);
    let said = world.said();
    let heard = format!("Some(([Succeeded], {durable:?}))");
    assert!(said.contains(&format!("early: {heard}")), "{said:?}");
    assert!(said.contains(&format!("late: {heard}")), "{said:?}");
    let cancel = Command::Cancel {
        key: TaskId(2).key(),
        note: String::new(),
    };
    let of_cancelled = await_ends(&world, "cancelled", 2);
    world.durable_turn([of_cancelled, Input::Command(cancel, world.reply("cancel"))]);
    let said = world.said();
    let heard = said.iter().find(|line| line.starts_with("cancelled: "));
    assert!(
        heard.is_some_and(|line| line.contains("Cancelled")),
        "{said:?}"
    );
    let unknown = await_ends(&world, "unknown", 99);
    world.durable_turn([unknown]);
    assert_eq!(world.said(), ["unknown: None"], "the store knows more");
}

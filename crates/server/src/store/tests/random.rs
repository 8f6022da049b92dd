//! Random commands, random commit points: the store and the rest of the journal make the live
//! state again, and its rows say what the engine says.

use capataz_engine::{
    Command, Event, Key, Outcome, Phase, Policy, Reason, Revival, Span, State, TaskId, Timestamp,
    apply,
};
use proptest::prelude::*;

use super::driver::{Driver, TestStore, spec};
use crate::store::{Batch, Reader, TaskRecord};

/// Three numbers choose what happens; what is impossible then is refused and does no harm.
type Choice = (u8, u8, u8);

struct Walk {
    driver: Driver,
    store: Option<TestStore>,
    /// What the store was not given.
    tail: Vec<Batch>,
    workers: u8,
}

impl Walk {
    fn new() -> Walk {
        Walk {
            driver: Driver::new(),
            store: Some(TestStore::new()),
            tail: Vec::new(),
            workers: 0,
        }
    }

    fn store(&mut self) -> &mut TestStore {
        self.store.as_mut().expect("it is away only within reopen")
    }

    fn act(&mut self, (what, a, b): Choice) {
        match what % 16 {
            0 | 1 => self.submit(a, b),
            2 => {
                self.workers += 1;
                let name = format!("w{}", self.workers);
                self.driver
                    .join(&name, u32::from(a % 4) + 1, &["g0", "g1", "g2"]);
            }
            3..=5 => {
                self.driver.dispatch();
            }
            6..=8 => self.report(a, b),
            9 => self.cancel(a, b),
            10 => self.lose(a),
            11 => self.retry(a, b),
            12 => {
                self.driver.now = self.driver.now + Span::millis(100 * u64::from(a));
                self.try_run(Command::Tick);
            }
            13 | 14 => {
                let batch = self.driver.cut(a % 3 > 0);
                self.tail.push(batch);
            }
            _ => self.project(),
        }
    }

    fn try_run(&mut self, command: Command) {
        // A refusal changes nothing, which the comparison at the end shows.
        let _ = self.driver.try_run(command);
    }

    fn submit(&mut self, a: u8, b: u8) {
        let mut wanted = spec(&format!("g{}", a % 3));
        wanted.max_attempts = Some(u32::from(b % 3) + 1);
        wanted.count = (a.is_multiple_of(5)).then_some(u32::from(b % 7) + 1);
        wanted.tags = (0..b % 3).map(|tag| format!("t{tag}")).collect();
        let now = self.driver.now;
        self.driver.submit(&wanted, |task| {
            task.not_before = (b.is_multiple_of(4)).then_some(now + Span::secs(5));
            task.expires_at = (b % 6 == 1).then_some(now + Span::secs(8));
            task.dedup = (b % 8 == 3).then_some((u128::from(now.0), 1));
        });
    }

    fn report(&mut self, a: u8, b: u8) {
        let leases = self.driver.leases();
        if leases.is_empty() {
            return;
        }
        let outcome = match b % 6 {
            0..=2 => Outcome::Succeeded,
            3 => Outcome::Failed {
                reason: Reason::Error,
                fatal: b > 200,
            },
            4 => Outcome::Again {
                after: Span::secs(1),
            },
            _ => Outcome::Released,
        };
        self.driver
            .report(leases[usize::from(a) % leases.len()], outcome);
    }

    fn any_key(&self, a: u8, b: u8) -> Key {
        let task = TaskId(u64::from(a) % self.driver.state.next_task().0);
        match b % 3 {
            0 => task.element(u32::from(b) % 7),
            _ => task.key(),
        }
    }

    fn cancel(&mut self, a: u8, b: u8) {
        let key = self.any_key(a, b);
        self.try_run(Command::Cancel {
            key,
            note: format!("because {b}"),
        });
    }

    fn lose(&mut self, a: u8) {
        let holder = self.driver.state.lease_tokens().nth(usize::from(a % 4));
        if let Some((_, _, worker)) = holder {
            self.try_run(Command::LoseWorker { worker });
        }
    }

    /// As the server does it: from what the store has.
    fn retry(&mut self, a: u8, b: u8) {
        self.project();
        let key = self.any_key(a, b);
        let Some(task) = self.store().reader.task(key).unwrap() else {
            return;
        };
        if task.phase.is_live() || task.elements.is_some() {
            return;
        }
        self.try_run(Command::Retry(Revival {
            key,
            group: task.group,
            policy: Policy::default(),
            priority: task.priority,
            affinity: Vec::new(),
            submitted_at: task.submitted_at,
            attempts: task.attempt,
            rounds: task.round,
            dedup: None,
        }));
    }

    /// Everything so far goes into the store.
    fn project(&mut self) {
        let batch = self.driver.cut(true);
        self.tail.push(batch);
        let all = std::mem::take(&mut self.tail);
        self.store().projector.project(all).unwrap();
        let walk = &*self;
        let store = walk.store.as_ref().expect("it is away only within reopen");
        assert_rows(&walk.driver.state, &store.reader);
    }

    /// The process dies with some batches on their way, and comes back.
    fn reopen(&mut self) {
        let batch = self.driver.cut(false);
        self.tail.push(batch);
        let some = self.tail.len() / 2;
        let half: Vec<Batch> = self.tail[..some].to_vec();
        self.store().projector.project(half).unwrap();
        let store = self.store.take().expect("it is away only within reopen");
        let (store, position, mut state) = store.reopen();
        self.store = Some(store);
        let rest = self.tail.iter().filter(|batch| batch.end > position);
        let events: Vec<Event> = rest
            .flat_map(|batch| batch.events.iter().cloned())
            .collect();
        for event in &events {
            apply(&mut state, event);
        }
        assert_eq!(
            state.hash(),
            self.driver.state.hash(),
            "store and tail differ from live"
        );
        // A restarted server hands out what it replayed.
        let entries = Some(state.take_dirty());
        self.driver.state = state;
        let end = self.driver.position;
        let caught_up = Batch {
            end,
            events: events.into(),
            entries,
            bytes: 1,
        };
        self.tail.clear();
        self.store().projector.project([caught_up]).unwrap();
    }
}

/// Every row says what the engine says of the same task, and the counts are those of the rows.
fn assert_rows(state: &State, reader: &Reader) {
    let mut counted = [0_u64; Phase::ALL.len()];
    for id in (1..state.next_task().0).map(TaskId) {
        let task = reader.task(id.key()).unwrap().expect("no task is lost");
        let Some(elements) = task.elements else {
            assert_same(state, &task);
            counted[task.phase as usize] += 1;
            continue;
        };
        assert_eq!(
            state.task_view(id.key()).is_some(),
            task.phase.is_live(),
            "array {id}"
        );
        let mut of = [0; Phase::ALL.len()];
        for index in 0..elements.count {
            let element = reader
                .task(id.element(index))
                .unwrap()
                .expect("it is in the array");
            assert_same(state, &element);
            of[element.phase as usize] += 1;
            counted[element.phase as usize] += 1;
        }
        for phase in Phase::ALL {
            assert_eq!(
                elements.of(phase),
                of[phase as usize],
                "array {id}, {phase:?}"
            );
        }
        assert!(reader.task(id.element(elements.count)).unwrap().is_none());
    }
    let totals = reader.total_counts().unwrap();
    for phase in Phase::ALL {
        assert_eq!(totals.of(phase), counted[phase as usize], "{phase:?}");
    }
}

fn assert_same(state: &State, task: &TaskRecord) {
    match state.task_view(task.key) {
        Some(view) => {
            assert_eq!(
                (task.phase, task.reason),
                (view.phase, view.reason),
                "{}",
                task.key
            );
            assert_eq!(task.attempt, view.attempts, "{}", task.key);
            assert_eq!(task.group, view.group);
            assert_eq!(task.until, view.until, "{}", task.key);
            assert_eq!(task.finished_at, None, "{}", task.key);
        }
        None => {
            assert!(!task.phase.is_live(), "{} is {:?}", task.key, task.phase);
            assert!(task.finished_at > Some(Timestamp(0)), "{}", task.key);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn store_and_tail_make_the_live_state(
        parts in prop::collection::vec(prop::collection::vec(any::<Choice>(), 1..60), 1..4)
    ) {
        let mut walk = Walk::new();
        for part in parts {
            for choice in part {
                walk.act(choice);
            }
            walk.reopen();
        }
        walk.project();
    }
}

//! Random commands, random commit points: the store and the rest of the journal make the live
//! state again, and its rows say what the engine says.

use capataz_engine::{
    Command, Event, Key, Node, NodeKind, On, Outcome, Policy, Reason, Reopening, Revival, RunId,
    Span, TaskId, apply,
};
use proptest::prelude::*;

use super::agreement::assert_rows;
use super::driver::{Driver, TestStore, spec};
use super::run_driver::{node, version};
use crate::store::{AuditFilter, AuditRecord, Batch};

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
        match what % 22 {
            0 | 1 => self.submit(a, b),
            2 => {
                self.workers += 1;
                let name = format!("w{}", self.workers);
                self.driver
                    .join(&name, u32::from(a % 4) + 1, &["g0", "g1", "g2", "g"]);
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
            16 => self.start(a, b),
            17 | 18 => self.driver.advance(),
            19 => self.steer(a, b),
            20 => self.reopen_run(a, b),
            21 => self.work_on_steps(a, b),
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

    /// A run of a small random graph.
    fn start(&mut self, a: u8, b: u8) {
        let kinds = [NodeKind::Task, NodeKind::FanOut, NodeKind::Noop];
        let edges = [On::Success, On::Failure, On::Any];
        let steps = (0..u32::from(a % 5) + 1).map(|number| {
            let seed = usize::from(b) + number as usize * 7;
            let after: Vec<(u32, On)> = (0..number)
                .filter(|before| (seed + *before as usize).is_multiple_of(2))
                .map(|before| (before, edges[(seed + before as usize) / 2 % 3]))
                .collect();
            Node {
                allow_failure: seed.is_multiple_of(3),
                keeps_output: seed.is_multiple_of(4),
                ..node(&format!("s{number}"), &after, kinds[seed % 3])
            }
        });
        let workflow = format!("w{}", b % 3);
        let graph = version(steps.collect());
        self.driver.start_run(&workflow, graph, "t");
    }

    fn any_run(&self, a: u8) -> RunId {
        RunId(u64::from(a) % self.driver.state.next_task().0)
    }

    fn steer(&mut self, a: u8, b: u8) {
        let run = self.any_run(a);
        let (on, note) = (b.is_multiple_of(2), format!("because {b}"));
        self.try_run(match b % 4 {
            3 => Command::CancelRun { run, note },
            _ => Command::PauseRun { run, on },
        });
    }

    /// As the server does it: from what the store has.
    fn reopen_run(&mut self, a: u8, b: u8) {
        self.project();
        let run = self.any_run(a);
        let archive = self.store().reader.run_archive(run).unwrap();
        self.try_run(Command::Reopen(Reopening {
            run,
            archive: archive.filter(|_| self.driver.state.run_view(run, 0).is_none()),
            steps: (b.is_multiple_of(2)).then(|| vec!["s0".into()]),
            descendants: b.is_multiple_of(3),
        }));
    }

    /// Ends one attempt of a step, and lets what follows begin.
    fn work_on_steps(&mut self, a: u8, b: u8) {
        self.driver.dispatch_all();
        self.report(a, b);
        self.driver.advance();
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
        if task.phase.is_live() || task.elements.is_some() || task.step.is_some() {
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

/// What is derived from events alone.
const TABLES: [&str; 11] = [
    "task",
    "element",
    "attempt",
    "grp_count WHERE n <> 0",
    "worker",
    "workflow",
    "workflow_version",
    "run",
    "run_step",
    "run_tag",
    "step_time",
];

/// The audit trail line by line: which lines share a row depends on what came at once.
fn trail(store: &TestStore) -> Vec<AuditRecord> {
    let limit = usize::MAX;
    let filter = AuditFilter::default();
    store
        .reader
        .audit(&AuditFilter { limit, ..filter })
        .unwrap()
}

fn rows(store: &TestStore, table: &str) -> Vec<String> {
    let path = store.dir.path().join("store.db");
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection
        .prepare(&format!("SELECT * FROM {table}"))
        .unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let value = |at| row.get::<_, rusqlite::types::Value>(at);
        let values: Vec<_> = (0..width).map(value).collect::<rusqlite::Result<_>>()?;
        Ok(format!("{values:?}"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Rows depend on what happened, never on how much of it came at once.
    #[test]
    fn however_batches_are_cut_the_rows_are_the_same(
        choices in prop::collection::vec(any::<Choice>(), 1..120)
    ) {
        let (mut walk, mut batches) = (Walk::new(), Vec::new());
        for choice in choices {
            // What projects for itself is not part of this.
            if !matches!(choice.0 % 22, 11 | 13..=15 | 20) {
                walk.act(choice);
                batches.push(walk.driver.cut(true));
            }
        }
        let (mut single, mut whole) = (TestStore::new(), TestStore::new());
        for batch in &batches {
            single.projector.project([batch.clone()]).unwrap();
        }
        let events: Vec<Event> = batches.iter().flat_map(|b| b.events.iter().cloned()).collect();
        let entries = batches.iter().flat_map(|b| b.entries.iter().flatten().cloned());
        let all = Batch {
            end: walk.driver.position,
            events: events.into(),
            entries: Some(entries.collect()),
            bytes: 1,
        };
        whole.projector.project([all]).unwrap();
        for table in TABLES {
            prop_assert_eq!(rows(&single, table), rows(&whole, table), "{}", table);
        }
        prop_assert_eq!(trail(&single), trail(&whole));
    }

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

//! What a task costs the engine: decide and apply of its submit, lease and completion, and handing
//! the changed entries to a store. Time is per task; one thread does all of it.

use std::collections::VecDeque;
use std::hint::black_box;

use bytes::Bytes;
use capataz_engine::{
    Attempt, Change, Command, Hello, Key, NewTask, Outcome, Policy, Report, State, Submission,
    Timestamp, Usage, apply, decide, limits,
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
/// Tasks of one submission, and of one measurement.
const BATCH: u64 = 1_000;
/// The store is handed the changed entries after so many events.
const HANDOUT: usize = 1_000;

/// Who works: the shapes that stress different indexes.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    groups: u32,
    workers: u32,
    slots: u32,
}

const SHAPES: [Shape; 3] = [
    Shape {
        name: "one_group_one_worker",
        groups: 1,
        workers: 1,
        slots: BATCH as u32,
    },
    Shape {
        name: "1000_groups_one_worker",
        groups: 1_000,
        workers: 1,
        slots: BATCH as u32,
    },
    Shape {
        name: "one_group_1000_pods",
        groups: 1,
        workers: BATCH as u32,
        slots: 1,
    },
];

struct Desk {
    state: State,
    shape: Shape,
    running: VecDeque<(Key, Attempt)>,
    events: usize,
    /// Bytes handed to the store.
    stored: usize,
}

impl Desk {
    fn new(shape: Shape) -> Desk {
        let (state, running) = (State::default(), VecDeque::new());
        let mut desk = Desk {
            state,
            shape,
            running,
            events: 0,
            stored: 0,
        };
        for number in 0..shape.workers {
            desk.carry_out(Command::Join(Hello {
                name: format!("w{number}"),
                incarnation: 1,
                connection: 0,
                host: "host".to_owned(),
                build: "1".to_owned(),
                pod: format!("p{number}"),
                pod_slots: Some(shape.slots),
                groups: (0..shape.groups).map(|group| format!("g{group}")).collect(),
                concurrency: shape.slots,
                polling: false,
                remember: 0,
                affinity: Vec::new(),
                running: Vec::new(),
            }));
        }
        desk
    }

    /// With `tasks` waiting.
    fn with_queue(shape: Shape, tasks: u64) -> Desk {
        let mut desk = Desk::new(shape);
        for _ in 0..tasks.div_ceil(BATCH) {
            desk.submit();
        }
        desk
    }

    fn carry_out(&mut self, command: Command) {
        let decision = decide(&self.state, NOW, command).expect("nothing here is refused");
        for event in &decision.events {
            apply(&mut self.state, event);
            if let Change::Leased { key, attempt, .. } = event.change {
                self.running.push_back((key, attempt));
            }
        }
        self.events += decision.events.len();
        if self.events >= HANDOUT {
            self.hand_out();
        }
    }

    fn hand_out(&mut self) {
        self.events = 0;
        let values = self
            .state
            .take_dirty()
            .into_iter()
            .filter_map(|(_, value)| value);
        self.stored += values.map(|value| value.len()).sum::<usize>();
    }

    fn submit(&mut self) {
        let task = |number: u64| NewTask {
            group: number as u32 % self.shape.groups,
            policy: 0,
            priority: limits::PRIORITY_DEFAULT,
            count: None,
            not_before: None,
            delay: None,
            expires_at: None,
            expires_in: None,
            dedup: None,
            affinity: Vec::new(),
            body: Bytes::new(),
        };
        self.carry_out(Command::Submit(Submission {
            request: None,
            groups: (0..self.shape.groups)
                .map(|group| format!("g{group}"))
                .collect(),
            policies: vec![Policy::default()],
            tasks: (0..BATCH).map(task).collect(),
        }));
        self.hand_out();
    }

    fn lease(&mut self) {
        for _ in 0..BATCH {
            self.carry_out(Command::Dispatch);
        }
    }

    fn complete(&mut self) {
        while let Some((key, attempt)) = self.running.pop_front() {
            self.carry_out(Command::Report(Report {
                key,
                attempt,
                outcome: Outcome::Succeeded,
                output: Bytes::new(),
                value: bytes::Bytes::new(),
                usage: Usage::default(),
            }));
        }
    }
}

/// Each part on its own, with nothing else in the queue.
fn parts(criterion: &mut Criterion) {
    for shape in SHAPES {
        let mut group = criterion.benchmark_group(shape.name);
        group.throughput(Throughput::Elements(BATCH));
        let part = |name: &str| BenchmarkId::from_parameter(name);
        group.bench_function(part("submit"), |bench| {
            let empty = || Desk::new(shape);
            let submit = |mut desk: Desk| {
                desk.submit();
                desk
            };
            bench.iter_batched(empty, submit, BatchSize::SmallInput);
        });
        group.bench_function(part("lease"), |bench| {
            let queued = || Desk::with_queue(shape, BATCH);
            let lease = |mut desk: Desk| {
                desk.lease();
                desk
            };
            bench.iter_batched(queued, lease, BatchSize::SmallInput);
        });
        group.bench_function(part("complete"), |bench| {
            let leased = || {
                let mut desk = Desk::with_queue(shape, BATCH);
                desk.lease();
                desk
            };
            let complete = |mut desk: Desk| {
                desk.complete();
                desk
            };
            bench.iter_batched(leased, complete, BatchSize::SmallInput);
        });
    }
}

/// A thousand tasks from submit to completion, with a queue of a constant length before them.
fn whole(criterion: &mut Criterion) {
    for shape in SHAPES {
        let mut group = criterion.benchmark_group(format!("whole_{}", shape.name));
        group
            .throughput(Throughput::Elements(BATCH))
            .sample_size(20);
        for queued in [0, 1_000, 100_000, 1_000_000] {
            let mut desk = Desk::with_queue(shape, queued);
            group.bench_function(BenchmarkId::from_parameter(queued), |bench| {
                bench.iter(|| {
                    desk.submit();
                    desk.lease();
                    desk.complete();
                    black_box(desk.stored)
                });
            });
        }
    }
}

criterion_group!(benches, parts, whole);
criterion_main!(benches);

//! What a task costs the engine: decide and apply of its submit, lease and completion, and handing
//! the changed entries to a store. Time is per task; one thread does all of it.

mod desk;
mod runs;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use desk::{BATCH, Desk, Shape};

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

criterion_group!(benches, parts, whole, runs::shapes);
criterion_main!(benches);

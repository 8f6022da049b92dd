//! What a task costs the store: projecting the events of its submit, lease and end, one transaction
//! each or all in one, and those of a step of a run. Time is per task or step, syncs of the disk
//! left out: the store has none but at a checkpoint.
//!
//! What begins and ends in one transaction is written once; the more the store lags, the more do.

mod desk;

use std::time::{Duration, Instant};

use capataz_journal::JournalId;
use capataz_server::store::{Batch, Options, Projector, Store};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;

use desk::{DIAMOND_STEPS, Desk, PER_BATCH};

/// Batches of one transaction: what a server under load has gathered when the last one is done.
const BATCHES: usize = 20;
/// Tasks of one transaction.
const TASKS: u64 = PER_BATCH * BATCHES as u64;
/// Runs at once.
const RUNS: u64 = 500;

/// A store that goes away with its folder.
struct Kept {
    projector: Projector,
    _folder: TempDir,
}

impl Kept {
    fn new() -> Kept {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = JournalId::from_bytes([7; 16]);
        let opened = Store::open(folder.path(), journal, Options::default()).expect("a store");
        Kept {
            projector: opened.store.projector().expect("a projector"),
            _folder: folder,
        }
    }

    fn project(&mut self, batches: Vec<Batch>) -> Duration {
        let begun = Instant::now();
        self.projector.project(batches).expect("there is room");
        begun.elapsed()
    }

    /// What a server does now and then, so that the log in front of the file stays small.
    fn checkpoint(&mut self) {
        self.projector.checkpoint().expect("a healthy store");
    }
}

/// A part of what happens to a batch of tasks.
type Stage = (&'static str, fn(&mut Desk));

/// All parts, in their order.
const STAGES: [Stage; 3] = [
    ("submitted", Desk::submit),
    ("leased", Desk::lease),
    ("ended", Desk::complete),
];

fn tasks(criterion: &mut Criterion) {
    for (name, tags) in [("tasks", &[][..]), ("tagged_tasks", &["nightly"])] {
        let mut group = criterion.benchmark_group(format!("projection_of_{name}"));
        group
            .throughput(Throughput::Elements(TASKS))
            .sample_size(10);
        for (place, (stage, _)) in STAGES.iter().enumerate() {
            let (mut desk, mut kept) = (Desk::new(tags), Kept::new());
            group.bench_function(BenchmarkId::from_parameter(stage), |bench| {
                bench.iter_custom(|times| {
                    let round = |_| apart(&mut desk, &mut kept)[place];
                    let took = (0..times).map(round).sum();
                    kept.checkpoint();
                    took
                });
            });
        }
        let (mut desk, mut kept) = (Desk::new(tags), Kept::new());
        group.bench_function(BenchmarkId::from_parameter("all_in_one"), |bench| {
            bench.iter_custom(|times| {
                let took = (0..times).map(|_| at_once(&mut desk, &mut kept)).sum();
                kept.checkpoint();
                took
            });
        });
    }
}

/// Lets tasks go all their way, and says what each part of it took.
fn apart(desk: &mut Desk, kept: &mut Kept) -> [Duration; 3] {
    STAGES.map(|(_, stage)| {
        let batch = |_| {
            stage(desk);
            desk.cut()
        };
        kept.project((0..BATCHES).map(batch).collect())
    })
}

fn at_once(desk: &mut Desk, kept: &mut Kept) -> Duration {
    let batch = |_| {
        STAGES.iter().for_each(|(_, stage)| stage(desk));
        desk.cut()
    };
    kept.project((0..BATCHES).map(batch).collect())
}

/// Diamonds at once, a transaction for each of their levels.
fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("projection_of_steps");
    let steps = RUNS * u64::from(DIAMOND_STEPS);
    group
        .throughput(Throughput::Elements(steps))
        .sample_size(10);
    let (mut desk, mut kept) = (Desk::new(&[]), Kept::new());
    group.bench_function(BenchmarkId::from_parameter("diamonds"), |bench| {
        bench.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                (0..RUNS).for_each(|_| desk.start_diamond());
                while desk.advance() {
                    took += kept.project(vec![desk.cut()]);
                    desk.lease();
                    desk.complete();
                    took += kept.project(vec![desk.cut()]);
                }
                took += kept.project(vec![desk.cut()]);
            }
            kept.checkpoint();
            took
        });
    });
    group.finish();
}

criterion_group!(benches, tasks, steps);
criterion_main!(benches);

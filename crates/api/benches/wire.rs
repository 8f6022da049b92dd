//! What a task costs on the wire: encoding and decoding of the frames that carry it in, out to a
//! worker and back. Time is per task, in frames of a thousand; one thread does all of it.

use std::hint::black_box;

use bytes::Bytes;
use capataz_api::proto::{
    Assignment, AttemptResult, Ended, MasterFrame, Outcome, Reports, SubmitRequest, TaskSpec,
    Token, Work, WorkerFrame, master_frame, worker_frame,
};
use capataz_api::spec;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;

/// Tasks of one frame: what travels together under load.
const TASKS: u64 = 1_000;
/// Bytes of each payload, as `capataz bench` has them.
const PAYLOAD: usize = 100;
/// Bytes of what a task answers: a number, a path, a short text.
const OUTPUT: usize = 20;

fn task(number: u64) -> TaskSpec {
    TaskSpec {
        group: "thumbnails".to_owned(),
        payload: Some(vec![number as u8; PAYLOAD].into()),
        tags: vec!["nightly".to_owned()],
        ..TaskSpec::default()
    }
}

fn token(task: u64) -> Option<Token> {
    let (index, attempt) = (None, 1);
    Some(Token {
        task,
        index,
        attempt,
    })
}

/// A client's frame: each task is encoded by itself, and the frame has them as they are.
fn submission(tasks: &[TaskSpec]) -> SubmitRequest {
    SubmitRequest {
        sequence: 1,
        request_id: Bytes::from_static(&[7; 16]),
        tasks: tasks.iter().map(spec::encode).collect(),
    }
}

/// What a server hands out: tasks as they came.
fn work(specs: &[Bytes]) -> MasterFrame {
    let assignment = |(number, spec): (u64, &Bytes)| Assignment {
        token: token(number),
        spec: spec.clone(),
    };
    let assignments = (1..).zip(specs).map(assignment).collect();
    MasterFrame {
        frame: Some(master_frame::Frame::Work(Work { assignments })),
    }
}

/// What a worker answers.
fn reports() -> WorkerFrame {
    let ended = |number: u64| Ended {
        token: token(number),
        outcome: Outcome::Succeeded.into(),
        wall_us: 1_000,
        cpu_us: 500,
        peak_memory: 4 << 20,
        result: result().encode_to_vec().into(),
        ..Ended::default()
    };
    let reports = Reports {
        started: Vec::new(),
        ended: (1..=TASKS).map(ended).collect(),
    };
    WorkerFrame {
        frame: Some(worker_frame::Frame::Reports(reports)),
    }
}

fn result() -> AttemptResult {
    AttemptResult {
        output: Some(vec![b'x'; OUTPUT].into()),
        exit_code: Some(0),
        ..AttemptResult::default()
    }
}

/// Measures both directions of a frame; `read` is what a receiver does with each task beyond
/// decoding the frame.
fn both<F: Message + Default>(
    criterion: &mut Criterion,
    name: &str,
    write: impl Fn() -> F,
    read: impl Fn(F),
) {
    let mut group: BenchmarkGroup<'_, _> = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(TASKS));
    group.bench_function("encode", |bench| {
        bench.iter(|| black_box(write().encode_to_vec()));
    });
    let encoded = Bytes::from(write().encode_to_vec());
    group.bench_function("decode", |bench| {
        bench.iter(|| read(F::decode(encoded.clone()).expect("what was encoded")));
    });
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let tasks: Vec<TaskSpec> = (0..TASKS).map(task).collect();
    let specs: Vec<Bytes> = tasks.iter().map(spec::encode).collect();
    let write = || submission(black_box(&tasks));
    both(criterion, "submit", write, |request: SubmitRequest| {
        for task in request.tasks {
            black_box(spec::decode(task).expect("a task"));
        }
    });
    let write = || work(black_box(&specs));
    both(criterion, "work", write, |frame: MasterFrame| {
        let Some(master_frame::Frame::Work(work)) = frame.frame else {
            panic!("another frame");
        };
        for assignment in work.assignments {
            black_box(spec::decode(assignment.spec).expect("a task"));
        }
    });
    // The server keeps results as they come.
    both(criterion, "reports", reports, |frame: WorkerFrame| {
        black_box(frame);
    });
}

criterion_group!(benches, frames);
criterion_main!(benches);

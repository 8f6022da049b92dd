//! Handlers in the worker's process: their ends, their panics, and how they are stopped.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use capataz_worker::inline::{Answer, Attempt, HandlerError, Handlers, InlineExecutor};
use capataz_worker::{
    Assignment, AttemptId, Boottime, Executor, FailReason, Finished, LOG_TAIL_BYTES,
    OUTPUT_BYTES_MAX, Outcome, Report, Reports, Stop, Stream,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const LONG: Duration = Duration::from_secs(60);

struct Bench {
    executor: InlineExecutor,
    reports: Arc<dyn Reports>,
    told: UnboundedReceiver<Report>,
}

impl Bench {
    fn new(handlers: Handlers) -> Bench {
        let (reports, told) = unbounded_channel();
        let executor = InlineExecutor::new(handlers, Handle::current());
        Bench {
            executor,
            reports: Arc::new(reports),
            told,
        }
    }

    fn start(&self, id: u64, assignment: Assignment) {
        let lease = Boottime::now() + LONG;
        self.executor
            .start(AttemptId(id), assignment, lease, &self.reports);
    }

    async fn finished(&mut self) -> Finished {
        loop {
            let told = tokio::time::timeout(LONG, self.told.recv()).await;
            match told
                .expect("a report within a minute")
                .expect("the sender lives")
            {
                Report::Log(..) => {}
                Report::Finished(_, finished) => return *finished,
            }
        }
    }
}

fn of(group: &str, payload: &'static [u8]) -> Assignment {
    Assignment {
        task: "7".into(),
        attempt: 1,
        group: group.into(),
        payload: Bytes::from_static(payload),
        ..Assignment::default()
    }
}

fn reason(finished: &Finished) -> (FailReason, &str, bool) {
    match &finished.outcome {
        Outcome::Failed {
            reason,
            message,
            fatal,
            ..
        } => (*reason, message, *fatal),
        other => panic!("expected a failure, got {other:?}"),
    }
}

async fn until_cancelled(attempt: Attempt) -> Result<(), HandlerError> {
    attempt.log(Stream::Stderr, "waiting");
    attempt.cancelled().await;
    Err(HandlerError::new("told to stop"))
}

async fn for_ever(attempt: Attempt) -> Result<(), HandlerError> {
    attempt.log(Stream::Stderr, "running");
    std::future::pending().await
}

#[tokio::test]
async fn answers_become_outcomes() {
    let handlers = Handlers::new()
        .group("echo", async |a: Attempt| {
            Ok::<_, HandlerError>(a.payload.clone())
        })
        .group("later", async |_| {
            Ok::<_, HandlerError>(Answer::Again(LONG))
        })
        .group("number", async |a: Attempt| {
            let text = std::str::from_utf8(&a.payload)?;
            Ok::<_, HandlerError>(text.parse::<u32>()?.to_string())
        })
        .group("never", async |_| {
            Err::<(), _>(HandlerError::fatal("no such account"))
        })
        .group("huge", async |_| {
            Ok::<_, HandlerError>(vec![0; OUTPUT_BYTES_MAX + 1])
        });
    let mut bench = Bench::new(handlers);

    bench.start(1, of("echo", b"hello"));
    let finished = bench.finished().await;
    assert_eq!(finished.outcome, Outcome::Succeeded);
    assert_eq!(finished.output.as_deref(), Some(&b"hello"[..]));

    bench.start(2, of("later", b""));
    assert_eq!(
        bench.finished().await.outcome,
        Outcome::Again { after: LONG }
    );

    bench.start(3, of("number", b"seven"));
    let message = "invalid digit found in string";
    assert_eq!(
        reason(&bench.finished().await),
        (FailReason::Error, message, false)
    );

    bench.start(4, of("never", b""));
    assert_eq!(
        reason(&bench.finished().await),
        (FailReason::Error, "no such account", true)
    );

    bench.start(5, of("huge", b""));
    let finished = bench.finished().await;
    assert_eq!(reason(&finished).0, FailReason::OutputTooLarge);
    assert_eq!(finished.output, None);

    bench.start(6, of("elsewhere", b""));
    assert_eq!(reason(&bench.finished().await).0, FailReason::CouldNotStart);
}

async fn panics(attempt: Attempt) -> Result<(), HandlerError> {
    panic!("no rate for {}", attempt.task)
}

#[tokio::test]
async fn a_panic_fails_its_attempt_only() {
    let handlers = Handlers::new()
        .group("bad", panics)
        .group("good", async |_| Ok::<_, HandlerError>(()));
    let mut bench = Bench::new(handlers);
    bench.start(1, of("bad", b""));
    let (kind, message, fatal) = {
        let finished = bench.finished().await;
        let (kind, message, fatal) = reason(&finished);
        (kind, message.to_owned(), fatal)
    };
    assert_eq!((kind, fatal), (FailReason::Error, false));
    assert_eq!(message, "the handler panicked: no rate for 7");
    bench.start(2, of("good", b""));
    assert_eq!(bench.finished().await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn a_cancelled_handler_ends_by_itself_or_is_dropped_after_its_grace() {
    let handlers = Handlers::new()
        .group("kind", until_cancelled)
        .group("deaf", for_ever);
    let mut bench = Bench::new(handlers);
    bench.start(1, of("kind", b""));
    bench
        .executor
        .stop(AttemptId(1), Stop::Cancel { grace: LONG });
    assert_eq!(bench.finished().await.outcome, Outcome::Cancelled);
    bench.start(2, of("deaf", b""));
    bench.executor.stop(
        AttemptId(2),
        Stop::Cancel {
            grace: Duration::from_millis(20),
        },
    );
    assert_eq!(bench.finished().await.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_lost_lease_ends_the_handler_at_once() {
    let mut bench = Bench::new(Handlers::new().fallback(for_ever));
    bench.start(1, of("any", b""));
    bench.executor.stop(AttemptId(1), Stop::LeaseLost);
    assert_eq!(bench.finished().await.outcome, Outcome::LeaseLost);
}

#[tokio::test]
async fn a_deadline_that_is_not_extended_ends_the_handler() {
    let mut bench = Bench::new(Handlers::new().fallback(for_ever));
    let soon = Boottime::now() + Duration::from_millis(50);
    bench
        .executor
        .start(AttemptId(1), of("any", b""), soon, &bench.reports);
    bench
        .executor
        .start(AttemptId(2), of("any", b""), soon, &bench.reports);
    bench.executor.extend(&[AttemptId(2)], soon + LONG);
    assert_eq!(bench.finished().await.outcome, Outcome::LeaseLost);
    assert!(Boottime::now() >= soon);
    bench.executor.stop(
        AttemptId(2),
        Stop::Cancel {
            grace: Duration::ZERO,
        },
    );
    assert_eq!(
        bench.finished().await.outcome,
        Outcome::Cancelled,
        "the second was extended"
    );
}

#[tokio::test]
async fn a_timeout_tells_the_handler_first() {
    let mut bench = Bench::new(Handlers::new().fallback(until_cancelled));
    let timeout = Some(Duration::from_millis(10));
    bench.start(
        1,
        Assignment {
            timeout,
            ..of("any", b"")
        },
    );
    let finished = bench.finished().await;
    assert_eq!(reason(&finished).0, FailReason::Timeout);
    assert_eq!(finished.log_tail.text(Stream::Stderr), b"waiting");
}

#[tokio::test]
async fn logs_are_bounded_and_end_with_the_attempt() {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let keep = kept.clone();
    let mut bench = Bench::new(Handlers::new().fallback(move |attempt: Attempt| {
        let keep = keep.clone();
        async move {
            for _ in 0..64 {
                attempt.log(Stream::Stdout, vec![b'x'; 64 * 1024]);
            }
            *keep.lock().unwrap() = Some(attempt);
            Ok::<_, HandlerError>(())
        }
    }));
    bench.start(1, of("any", b""));
    let mut logged = 0;
    let finished = loop {
        match bench.told.recv().await.expect("the sender lives") {
            Report::Log(_, chunk) => logged += chunk.bytes.len(),
            Report::Finished(_, finished) => break finished,
        }
    };
    assert_eq!(logged, 512 * 1024);
    assert_eq!(finished.log_tail.len(), LOG_TAIL_BYTES);
    kept.lock()
        .unwrap()
        .take()
        .expect("kept by the handler")
        .log(Stream::Stdout, "late");
    assert!(bench.told.try_recv().is_err(), "no log follows the finish");
}

/// `cargo test --release -p capataz-worker --test inline -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for release builds"]
async fn throughput() {
    const ATTEMPTS: u64 = 400_000;
    const IN_FLIGHT: u64 = 64;
    let mut bench = Bench::new(Handlers::new().fallback(async |_| Ok::<_, HandlerError>(())));
    let begin = std::time::Instant::now();
    for id in 0..ATTEMPTS + IN_FLIGHT {
        if id >= IN_FLIGHT {
            bench.finished().await;
        }
        if id < ATTEMPTS {
            bench.start(id, of("any", b""));
        }
    }
    let rate = ATTEMPTS as f64 / begin.elapsed().as_secs_f64();
    println!("{rate:.0} attempts/s");
    assert!(rate > 100_000.0);
}

//! What the tests with real processes share: an executor with its reports, and patience.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use capataz_worker::process::{Claim, CommandPolicy, ProcessConfig, ProcessExecutor};
use capataz_worker::{
    Assignment, AttemptId, Boottime, Executor, FailReason, Finished, LogChunk, Outcome, Report,
    Reports,
};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub(crate) const FIXTURE: &str = env!("CARGO_BIN_EXE_capataz-worker-fixture");

/// Longer than anything a test waits for, unless it fails.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Attempts of [`Bench::run`] are numbered from here, beyond those a test numbers itself.
const FIRST_RUN: u64 = 1 << 32;

pub(crate) struct Bench {
    pub(crate) executor: ProcessExecutor,
    pub(crate) reports: Arc<dyn Reports>,
    told: UnboundedReceiver<Report>,
    pub(crate) logs: Vec<LogChunk>,
    runs: u64,
    /// For the files of a test, and under it the state folder.
    pub(crate) dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut ProcessConfig)) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::take(&dir.path().join("state"), "bench").unwrap();
        let mut config = ProcessConfig::new("bench", "pod-1", CommandPolicy::AllowTasks);
        config.guard_program = Some(FIXTURE.into());
        change(&mut config);
        let executor = ProcessExecutor::new(config, claim, &Handle::current()).unwrap();
        let (reports, told) = unbounded_channel();
        Bench {
            executor,
            reports: Arc::new(reports),
            told,
            logs: Vec::new(),
            runs: FIRST_RUN,
            dir,
        }
    }

    pub(crate) fn start(&self, id: u64, assignment: Assignment) {
        self.start_until(id, assignment, Boottime::now() + LONG);
    }

    pub(crate) fn start_until(&self, id: u64, assignment: Assignment, lease: Boottime) {
        self.executor
            .start(AttemptId(id), assignment, lease, &self.reports);
    }

    /// The next end of an attempt; logs on the way are kept.
    pub(crate) async fn finished(&mut self) -> (u64, Finished) {
        loop {
            let told = tokio::time::timeout(LONG, self.told.recv()).await;
            match told
                .expect("a report within a minute")
                .expect("the sender lives")
            {
                Report::Log(_, chunk) => self.logs.push(chunk),
                Report::Finished(id, finished) => return (id.0, *finished),
            }
        }
    }

    pub(crate) async fn log(&mut self) -> LogChunk {
        let told = tokio::time::timeout(LONG, self.told.recv()).await;
        match told
            .expect("a report within a minute")
            .expect("the sender lives")
        {
            Report::Log(_, chunk) => chunk,
            Report::Finished(_, finished) => panic!("ended before it printed: {finished:?}"),
        }
    }

    /// Runs one attempt to its end.
    pub(crate) async fn run(&mut self, assignment: Assignment) -> Finished {
        self.runs += 1;
        self.start(self.runs, assignment);
        let (id, finished) = self.finished().await;
        assert_eq!(id, self.runs);
        finished
    }

    /// A path for a test's file, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }
}

/// A task that runs a shell script.
pub(crate) fn sh(script: impl Into<String>) -> Assignment {
    command(&["sh", "-c", &script.into()])
}

pub(crate) fn command(argv: &[&str]) -> Assignment {
    Assignment {
        task: "7.3".into(),
        attempt: 2,
        group: "g".into(),
        index: Some(3),
        argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
        priority: 5,
        ..Assignment::default()
    }
}

/// The parts of a failure: reason, exit code, signal, fatal.
pub(crate) fn failure(finished: &Finished) -> (FailReason, Option<i32>, Option<i32>, bool) {
    match &finished.outcome {
        Outcome::Failed {
            reason,
            exit_code,
            signal,
            fatal,
            ..
        } => (*reason, *exit_code, *signal, *fatal),
        other => panic!("expected a failure, got {other:?}"),
    }
}

pub(crate) fn message(finished: &Finished) -> &str {
    match &finished.outcome {
        Outcome::Failed { message, .. } => message,
        other => panic!("expected a failure, got {other:?}"),
    }
}

/// Waits for a condition; fails the test when it does not come within a minute.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + LONG;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(
            Instant::now() < patience,
            "{what} did not come within a minute"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for a process id that a script writes to a file, newline last.
pub(crate) fn pid_in(path: impl AsRef<Path>) -> i32 {
    let path = path.as_ref();
    until(&format!("a process id in {}", path.display()), || {
        let text = std::fs::read_to_string(path).ok()?;
        text.strip_suffix('\n')?.trim().parse().ok()
    })
}

/// Whether a process is there and has not ended.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}

pub(crate) fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

//! What the guard kills, and when: timeouts, leases, cancels, daemons, and a worker that is gone.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Bench, FIXTURE, LONG, command, failure, lives, pid_in, sh, signal, until};
use capataz_worker::process::Claim;
use capataz_worker::{Assignment, AttemptId, Boottime, Executor, FailReason, Outcome, Stop};
use nix::sys::signal::Signal;

/// Starts a process that has detached itself by a double fork and `setsid`, with an emptied
/// environment, and writes its id to the file.
fn daemon(pid_file: &str) -> String {
    format!(
        "(setsid env -i /bin/sh -c '/bin/sh -c \"echo \\$\\$ > {pid_file}; \
         exec /bin/sleep 1000\" & exec /bin/sleep 0' &); \
         while [ ! -s {pid_file} ]; do sleep 0.01; done; "
    )
}

// The thread of a test waits for processes; the executor's tasks need another.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_timeout_terminates_then_kills_the_whole_group() {
    let mut bench = Bench::with(|config| config.timeout_grace = Duration::from_millis(100));
    let timeout = Some(Duration::from_millis(50));
    let finished = bench
        .run(Assignment {
            timeout,
            ..command(&["sleep", "1000"])
        })
        .await;
    assert_eq!(
        failure(&finished),
        (FailReason::Timeout, None, Some(15), false)
    );

    let (child, parent) = (bench.path("child"), bench.path("parent"));
    let deaf = format!(
        "trap '' TERM; sh -c 'echo $$ > {child}; exec sleep 1000' & echo $$ > {parent}; wait; \
         sleep 1000"
    );
    let timeout = Some(Duration::from_millis(300));
    bench.start(
        1,
        Assignment {
            timeout,
            ..sh(deaf)
        },
    );
    let pids = [pid_in(&child), pid_in(&parent)];
    let (_, finished) = bench.finished().await;
    assert_eq!(
        failure(&finished),
        (FailReason::Timeout, None, Some(9), false)
    );
    assert!(!pids.into_iter().any(lives));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_process_that_obeys_the_timeout_has_its_grace() {
    let mut bench = Bench::new();
    let timeout = Some(Duration::from_millis(200));
    let script = "trap 'echo saved; exit 5' TERM; echo ready; while :; do sleep 0.02; done";
    let finished = bench
        .run(Assignment {
            timeout,
            ..sh(script)
        })
        .await;
    assert_eq!(
        failure(&finished),
        (FailReason::Timeout, Some(5), None, false)
    );
    assert_eq!(finished.output.as_deref(), Some(&b"ready\nsaved\n"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_command_leaves_behind_is_killed_before_its_end_is_told() {
    let mut bench = Bench::new();
    let (in_group, detached) = (bench.path("in_group"), bench.path("detached"));
    let background = format!(
        "sh -c 'echo $$ > {in_group}; exec sleep 1000' & \
         while [ ! -s {in_group} ]; do sleep 0.01; done; "
    );
    let finished = bench
        .run(sh(format!("{background} {} exit 0", daemon(&detached))))
        .await;
    assert_eq!(finished.outcome, Outcome::Succeeded);
    assert!(!lives(pid_in(&in_group)));
    assert!(!lives(pid_in(&detached)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_daemon_dies_with_its_own_attempt_and_not_with_another() {
    let mut bench = Bench::new();
    let pid_file = bench.path("daemon");
    bench.start(1, sh(format!("{} exec sleep 1000", daemon(&pid_file))));
    let pid = pid_in(&pid_file);
    bench.start(2, command(&["true"]));
    assert_eq!(bench.finished().await.0, 2);
    assert!(lives(pid), "another attempt's end is not its own");
    bench.executor.stop(
        AttemptId(1),
        Stop::Cancel {
            grace: Duration::ZERO,
        },
    );
    let (id, finished) = bench.finished().await;
    assert_eq!((id, finished.outcome), (1, Outcome::Cancelled));
    assert!(!lives(pid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_timeout_kills_daemons_too() {
    let mut bench = Bench::with(|config| config.timeout_grace = Duration::from_millis(50));
    let pid_file = bench.path("daemon");
    let script = format!("{} exec sleep 1000", daemon(&pid_file));
    bench.start(1, sh(script));
    let pid = pid_in(&pid_file);
    bench.executor.stop(
        AttemptId(1),
        Stop::Cancel {
            grace: Duration::from_millis(10),
        },
    );
    assert_eq!(bench.finished().await.1.outcome, Outcome::Cancelled);
    assert!(!lives(pid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_attempt_without_an_extension_is_killed_at_its_deadline() {
    let mut bench = Bench::new();
    let lease = Boottime::now() + Duration::from_millis(300);
    let pid_file = bench.path("pid");
    bench.start_until(
        1,
        sh(format!("echo $$ > {pid_file}; exec sleep 1000")),
        lease,
    );
    bench.start_until(2, command(&["sleep", "1000"]), lease);
    bench.executor.extend(&[AttemptId(2)], lease + LONG);
    let pid = pid_in(&pid_file);
    let (id, finished) = bench.finished().await;
    assert_eq!((id, finished.outcome), (1, Outcome::LeaseLost));
    assert!(Boottime::now() >= lease);
    assert!(!lives(pid));
    bench.executor.stop(AttemptId(2), Stop::LeaseLost);
    assert_eq!(bench.finished().await.1.outcome, Outcome::LeaseLost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lease_that_is_over_starts_nothing() {
    let mut bench = Bench::new();
    let witness = bench.path("witness");
    bench.start_until(1, command(&["touch", &witness]), Boottime::now());
    assert_eq!(bench.finished().await.1.outcome, Outcome::LeaseLost);
    assert!(!std::fs::exists(witness).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stopped_guard_that_continues_kills_what_is_overdue_at_once() {
    let mut bench = Bench::new();
    let pid_file = bench.path("pid");
    let lease = Boottime::now() + Duration::from_millis(400);
    // The guard is the parent of a main process.
    let script = format!("echo $PPID > {pid_file}; exec sleep 1000");
    bench.start_until(1, sh(script), lease);
    let guard = pid_in(&pid_file);
    signal(guard, Signal::SIGSTOP);
    until("the deadline", || {
        (Boottime::now() > lease + Duration::from_millis(100)).then_some(())
    });
    signal(guard, Signal::SIGCONT);
    let continued = Boottime::now();
    assert_eq!(bench.finished().await.1.outcome, Outcome::LeaseLost);
    assert!(Boottime::now() < continued + Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_killed_guard_is_replaced_after_its_leftovers_are() {
    let mut bench = Bench::new();
    let (guard_file, pid_file) = (bench.path("guard"), bench.path("daemon"));
    let script = format!(
        "echo $PPID > {guard_file}; {} exec sleep 1000",
        daemon(&pid_file)
    );
    bench.start(1, sh(script));
    let (guard, pid) = (pid_in(&guard_file), pid_in(&pid_file));
    signal(guard, Signal::SIGKILL);
    let (_, finished) = bench.finished().await;
    assert_eq!(failure(&finished), (FailReason::Killed, None, None, false));
    assert!(!lives(pid));
    bench.executor.stop(AttemptId(1), Stop::LeaseLost);
    assert_eq!(
        bench.run(command(&["true"])).await.outcome,
        Outcome::Succeeded
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shutting_down_ends_everything_and_reports_it() {
    let mut bench = Bench::new();
    let pid_file = bench.path("pid");
    bench.start(1, sh(format!("echo $$ > {pid_file}; exec sleep 1000")));
    let pid = pid_in(&pid_file);
    let Bench { executor, .. } = std::mem::replace(&mut bench, Bench::new());
    executor.shut_down().await;
    assert!(!lives(pid));
}

/// A worker of its own process that holds one attempt.
struct Worker {
    process: Child,
    says: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Worker {
    fn start(state_dir: &str, lease: Duration, script: &str) -> Worker {
        let lease_ms = lease.as_millis().to_string();
        let mut process = Command::new(FIXTURE)
            .args(["hold", state_dir, "w", &lease_ms, "sh", "-c", script])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(process.stdout.take().unwrap()).lines();
        Worker { process, says }
    }

    fn said(&mut self) -> String {
        self.says.next().expect("a line").unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn everything_dies_with_the_worker() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (guard_file, pid_file) = (path("guard"), path("daemon"));
    let script = format!(
        "echo $PPID > {guard_file}; {} exec sleep 1000",
        daemon(&pid_file)
    );
    let mut worker = Worker::start(&path("state"), LONG, &script);
    assert_eq!(worker.said(), "started");
    let (guard, pid) = (pid_in(&guard_file), pid_in(&pid_file));
    worker.process.kill().unwrap();
    until("the daemon's end", || (!lives(pid)).then_some(()));
    until("the guard's end", || (!lives(guard)).then_some(()));
}

#[test]
fn a_stopped_worker_loses_its_processes_at_their_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let pid_file = path("pid");
    let script = format!("echo $$ > {pid_file}; exec sleep 1000");
    let mut worker = Worker::start(&path("state"), Duration::from_millis(700), &script);
    assert_eq!(worker.said(), "started");
    let pid = pid_in(&pid_file);
    signal(worker.process.id() as i32, Signal::SIGSTOP);
    until("the end of its process", || (!lives(pid)).then_some(()));
    signal(worker.process.id() as i32, Signal::SIGCONT);
    assert_eq!(worker.said(), "finished: LeaseLost");
}

#[test]
fn a_second_worker_of_the_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let mut first = Worker::start(&path("state"), LONG, "exec sleep 1000");
    assert_eq!(first.said(), "started");
    let mut second = Worker::start(&path("state"), LONG, "exec sleep 1000");
    let said = second.said();
    assert!(
        said.starts_with("refused: a worker named \"w\" runs on this host already"),
        "{said}"
    );
}

/// Or it would start itself for ever.
#[test]
fn a_program_that_did_not_become_a_guard_starts_none() {
    let dir = tempfile::tempdir().unwrap();
    let hold = ["hold", dir.path().to_str().unwrap(), "w", "1000", "true"];
    let output = Command::new(FIXTURE)
        .args(hold)
        .env("CAPATAZ_GUARD", "1")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with("no guard: this program was started as a guard"),
        "{said}"
    );
}

/// And an idle worker does not start one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_guard_that_dies_at_once_fails_one_attempt_each() {
    let mut bench = Bench::with(|config| config.guard_program = Some("/bin/false".into()));
    for _ in 0..3 {
        let finished = bench.run(command(&["true"])).await;
        assert_eq!(failure(&finished), (FailReason::Killed, None, None, false));
    }
}

/// The worst case: worker and guard killed at once, with a daemon that emptied its environment.
#[test]
fn the_next_incarnation_ends_what_worker_and_guard_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (guard_file, pid_file) = (path("guard"), path("daemon"));
    let script = format!(
        "echo $PPID > {guard_file}; {} exec sleep 1000",
        daemon(&pid_file)
    );
    let mut worker = Worker::start(&path("state"), LONG, &script);
    assert_eq!(worker.said(), "started");
    let (guard, pid) = (pid_in(&guard_file), pid_in(&pid_file));
    // Stopped first, so that it cannot act on its worker's end before it is killed itself.
    signal(guard, Signal::SIGSTOP);
    worker.process.kill().unwrap();
    worker.process.wait().unwrap();
    signal(guard, Signal::SIGKILL);
    assert!(lives(pid), "nobody is left to end it");
    let claim = Claim::take(&dir.path().join("state"), "w").unwrap();
    assert!(!lives(pid));
    drop(claim);
}

#[test]
fn the_next_incarnation_waits_for_a_stopped_guard() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (guard_file, pid_file) = (path("guard"), path("daemon"));
    let script = format!(
        "echo $PPID > {guard_file}; {} exec sleep 1000",
        daemon(&pid_file)
    );
    let mut worker = Worker::start(&path("state"), LONG, &script);
    assert_eq!(worker.said(), "started");
    let (guard, pid) = (pid_in(&guard_file), pid_in(&pid_file));
    signal(guard, Signal::SIGSTOP);
    worker.process.kill().unwrap();
    worker.process.wait().unwrap();
    Claim::take(&dir.path().join("state"), "w").unwrap();
    assert!(!lives(pid) && !lives(guard));
}

//! Bar 4: the server is killed while tasks are submitted and run, then workers are: every
//! acknowledged task ends exactly once, and none is invented.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::json;

use super::ledger::{Ledger, TAG};
use super::options::Options;
use super::process::Process;
use super::system::{Clients, System};
use super::witness;

/// Silence after which a worker is lost.
const LEASE: &str = "2s";

/// Clients that submit at the same time.
const SUBMITTERS: usize = 4;

/// The most tasks of one submission.
const BATCH: usize = 100;

/// Between one kill and the next.
const PAUSE_MS: std::ops::Range<u64> = 300..1_700;

/// Workers and their pods.
const WORKERS: [(&str, &str); 2] = [("w1", "p1"), ("w2", "p2")];

pub(crate) fn run(options: &Options) -> Result<()> {
    let (tasks, cycles) = (options.tasks(20_000, 1_000), options.cycles(20, 4));
    servers(options, tasks, cycles)?;
    workers(options, tasks, cycles)
}

fn servers(options: &Options, tasks: usize, cycles: usize) -> Result<()> {
    let mut system = System::start(&options.binary, Some(LEASE))?;
    let _workers = start_workers(&system)?;
    let clients = system.clients().clone();
    let mut dice = options.dice();
    let begun = Instant::now();
    let (mut restarts, mut killed_while_submitting) = (Vec::new(), 0);
    let ledger = thread::scope(|scope| -> Result<Ledger> {
        let submitters = submit(scope, &clients, tasks, cycles);
        for _ in 0..cycles {
            pause(&mut dice);
            killed_while_submitting += usize::from(submitters.iter().any(|s| !s.is_finished()));
            restarts.push(system.kill_and_restart(Duration::ZERO)?.as_millis());
        }
        gather(submitters)
    })?;
    clients.wait(TAG)?;
    let seconds = begun.elapsed().as_secs_f64();
    let findings = ledger.judge(&system)?;
    let mut figures = findings.figures("kills", "server");
    figures["kills"] = json!(cycles);
    figures["kills_while_submitting"] = json!(killed_while_submitting);
    figures["slowest_restart_ms"] =
        json!(restarts.iter().max().copied().unwrap_or_default() as u64);
    figures["seconds"] = json!(seconds);
    super::print(&figures);
    ensure!(
        findings.acknowledged + findings.unanswered == tasks,
        "a task was never submitted"
    );
    Ok(())
}

fn workers(options: &Options, tasks: usize, cycles: usize) -> Result<()> {
    let system = System::start(&options.binary, Some(LEASE))?;
    let mut workers = start_workers(&system)?;
    let clients = system.clients().clone();
    let mut dice = options.dice();
    let begun = Instant::now();
    let ledger = thread::scope(|scope| -> Result<Ledger> {
        let submitters = submit(scope, &clients, tasks, cycles);
        for _ in 0..cycles {
            pause(&mut dice);
            let at = dice.random_range(0..workers.len());
            workers[at].kill()?;
            // Some of them come back only after their leases have run out.
            let away = if dice.random_bool(0.2) { 6_000 } else { 0 };
            thread::sleep(Duration::from_millis(away));
            workers[at] = start_worker(&system, WORKERS[at])?;
        }
        gather(submitters)
    })?;
    clients.wait(TAG)?;
    let seconds = begun.elapsed().as_secs_f64();
    let findings = ledger.judge(&system)?;
    let mut figures = findings.figures("kills", "worker");
    figures["kills"] = json!(cycles);
    figures["seconds"] = json!(seconds);
    super::print(&figures);
    ensure!(
        findings.acknowledged == tasks,
        "{} had no answer",
        findings.unanswered
    );
    ensure!(
        findings.lost > 0,
        "workers were killed and no attempt is on record as lost"
    );
    Ok(())
}

fn pause(dice: &mut StdRng) {
    thread::sleep(Duration::from_millis(dice.random_range(PAUSE_MS)));
}

fn start_workers(system: &System) -> Result<Vec<Process>> {
    WORKERS
        .iter()
        .map(|worker| start_worker(system, *worker))
        .collect()
}

fn start_worker(system: &System, (name, pod): (&str, &str)) -> Result<Process> {
    start(system, system.clients(), name, pod)
}

/// A worker of eight slots that runs a witness for each task.
pub(crate) fn start(system: &System, clients: &Clients, name: &str, pod: &str) -> Result<Process> {
    let program = std::env::current_exe()?;
    let program = program.to_str().context("a path that is not UTF-8")?;
    let folder = system.path().to_string_lossy();
    let flags = [
        "--group",
        "g",
        "--pod",
        pod,
        "--pod-slots",
        "8",
        "--",
        program,
        "witness",
    ];
    clients.worker(
        name,
        &[&flags[..], &[&*folder, witness::NO_SLOTS, "1", "1"]].concat(),
    )
}

type Submitter<'scope> = ScopedJoinHandle<'scope, Result<Ledger>>;

/// Clients that share `tasks` between them, over about the time that `cycles` kills take.
fn submit<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    clients: &'scope Clients,
    tasks: usize,
    cycles: usize,
) -> Vec<Submitter<'scope>> {
    let next = std::sync::Arc::new(AtomicUsize::new(0));
    let kills = PAUSE_MS.end.midpoint(PAUSE_MS.start) * cycles as u64;
    let batches = tasks.div_ceil(BATCH / 2 * SUBMITTERS) as u64;
    let pause = Duration::from_millis(kills / batches.max(1));
    let one = move |number: usize| {
        let next = next.clone();
        scope.spawn(move || {
            let mut ledger = Ledger::default();
            for size in (1..=BATCH)
                .cycle()
                .skip(number * BATCH / SUBMITTERS)
                .step_by(7)
            {
                let first = next.fetch_add(size, Ordering::Relaxed);
                if first >= tasks {
                    break;
                }
                ledger.submit(clients, first..(first + size).min(tasks))?;
                thread::sleep(pause);
            }
            Ok(ledger)
        })
    };
    (0..SUBMITTERS).map(one).collect()
}

fn gather(submitters: Vec<Submitter<'_>>) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    for submitter in submitters {
        let told = submitter
            .join()
            .map_err(|_| anyhow::anyhow!("a submitter panicked"))?;
        ledger.merge(told?);
    }
    Ok(ledger)
}

//! Bar 4, its last part: every worker is replaced by a new build (drained, stopped, started)
//! while tasks run; none is lost, none fails, none is executed twice.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::kills::start;
use super::ledger::{Ledger, TAG};
use super::options::Options;
use super::process::until;
use super::system::System;

/// Each worker in a pod of its own.
const WORKERS: [&str; 3] = ["w1", "w2", "w3"];

/// How long a worker may take to finish what it runs and to end.
const DRAIN: Duration = Duration::from_secs(60);

/// Tasks of one submission.
const BATCH: usize = 1_000;

pub(crate) fn run(options: &Options) -> Result<()> {
    let tasks = options.tasks(5_000, 500);
    let system = System::start(&options.binary, None)?;
    let clients = system.clients();
    // Another file with the same content stands for the new build.
    let build = system.path().join("capataz-next");
    std::fs::copy(&options.binary, &build)?;
    let next = clients.with_binary(build);
    let mut workers = Vec::new();
    for name in WORKERS {
        workers.push((name, start(&system, clients, name, name)?));
    }
    let begun = Instant::now();
    let mut ledger = Ledger::default();
    for first in (0..tasks).step_by(BATCH) {
        ledger.submit(clients, first..(first + BATCH).min(tasks))?;
    }
    let mut replaced_while_working = 0;
    for (name, worker) in &mut workers {
        clients.run(&["worker", "drain", name])?;
        let status = until("the drained worker ends", DRAIN, || worker.ended())?;
        ensure!(
            status.success(),
            "the drained worker {name} ended with {status}"
        );
        *worker = start(&system, &next, name, name)?;
        let waited = clients.output(&["wait", "--tag", TAG, "--timeout", "0"])?;
        replaced_while_working += usize::from(waited.status.code() == Some(4));
    }
    clients.wait(TAG)?;
    let seconds = begun.elapsed().as_secs_f64();
    let findings = ledger.judge(&system)?;
    let mut figures = findings.figures("rolling", "all");
    figures["replaced_while_working"] = json!(replaced_while_working);
    figures["seconds"] = json!(seconds);
    super::print(&figures);
    ensure!(
        findings.acknowledged == tasks,
        "{} had no answer",
        findings.unanswered
    );
    ensure!(
        findings.lost == 0 && findings.most_attempts == 1,
        "{findings:?}"
    );
    ensure!(
        findings.executions == tasks,
        "{} executions",
        findings.executions
    );
    ensure!(
        replaced_while_working == WORKERS.len(),
        "the tasks had ended before the workers"
    );
    Ok(())
}

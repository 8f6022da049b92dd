//! `bench processes`: how much of what the machine can start is left when every process is a task.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::recipe::Recipe;
use super::trial::{Trial, TrialError};
use crate::doctor::sync::SyncMillis;
use crate::output::{Report, Sheet};
use crate::talk::say;

/// What every task runs: it does nothing, and it is everywhere.
const PROGRAM: &str = "/bin/true";

/// How much is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    /// Processes that are run.
    pub(crate) tasks: u64,
    /// Workers, each in a pod of its own.
    pub(crate) workers: u32,
    /// Slots of each pod.
    pub(crate) slots: u32,
    /// Where the server's data goes; a temporary folder otherwise.
    pub(crate) data_dir: Option<PathBuf>,
}

/// What `bench processes` found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Processes that were run as tasks; as many were run without.
    pub(crate) tasks: u64,
    /// Workers.
    pub(crate) workers: u32,
    /// Slots of each worker's pod; the bare loop has as many threads as there are slots.
    pub(crate) slots: u32,
    /// Processes a second as tasks: output, logs and guard included.
    pub(crate) tasks_per_s: f64,
    /// Processes a second of threads that spawn and wait: half before the tasks, half after.
    pub(crate) bare_per_s: f64,
    /// The first of these as a part of the second.
    pub(crate) ratio: f64,
    /// Processor time of the server for each task, in microseconds.
    pub(crate) server_cpu_us_per_task: f64,
    /// One append of 4 KiB and its sync on the same disk, at the start and at the end.
    pub(crate) raw_sync_ms: SyncMillis,
}

/// Measures it, on a server and workers of its own.
pub(crate) async fn measure(plan: Processes) -> Result<Figures, TrialError> {
    let mut trial = Trial::start(plan.data_dir.clone(), Vec::new()).await?;
    let recipe = Recipe::of_groups("bench-processes", 1);
    let group = &recipe.groups[0];
    trial.client.pause_group(group, true).await?;
    let slots = plan.slots.to_string();
    let mut workers = Vec::new();
    for number in 1..=plan.workers {
        let name = format!("bench-{number}");
        let flags = ["worker", "--name", &name, "--pod", &name, "--group", group];
        let run = ["--pod-slots", &slots, "--", PROGRAM];
        workers.push(trial.start_worker(&name, &[&flags[..], &run].concat())?);
    }
    trial.joined(&mut workers, plan.workers.into()).await?;
    recipe.load(&trial.client, 0, plan.tasks).await?;
    trial.caught_up().await?;
    let threads = plan.workers * plan.slots;
    let half = plan.tasks.div_ceil(2);
    say(format_args!("bench: {half} bare processes"));
    let before = bare(half, threads).await?;
    say(format_args!("bench: {} processes as tasks", plan.tasks));
    let cpu = trial.cpu_seconds()?;
    let begun = Instant::now();
    trial.client.pause_group(group, false).await?;
    trial.until(|counts| counts.ended() >= plan.tasks).await?;
    let tasks_per_s = plan.tasks as f64 / begun.elapsed().as_secs_f64();
    let cpu = trial.cpu_seconds()? - cpu;
    say(format_args!("bench: {half} bare processes again"));
    let after = bare(half, threads).await?;
    for worker in workers {
        worker.stop().await;
    }
    let raw_sync_ms = trial.measure_disk()?;
    trial.stop().await;
    // The mean over both halves: as many processes in the seconds of both.
    let bare_per_s = 2.0 / (1.0 / before + 1.0 / after);
    Ok(Figures {
        tasks: plan.tasks,
        workers: plan.workers,
        slots: plan.slots,
        tasks_per_s,
        bare_per_s,
        ratio: tasks_per_s / bare_per_s,
        server_cpu_us_per_task: cpu * 1e6 / plan.tasks as f64,
        raw_sync_ms,
    })
}

/// Runs `count` processes with as many at a time as there are threads: how many a second.
async fn bare(count: u64, threads: u32) -> Result<f64, TrialError> {
    tokio::task::spawn_blocking(move || spawn_and_wait(count, threads)).await?
}

fn spawn_and_wait(count: u64, threads: u32) -> Result<f64, TrialError> {
    let next = AtomicU64::new(0);
    let turn = || -> std::io::Result<()> {
        while next.fetch_add(1, Ordering::Relaxed) < count {
            let mut command = Command::new(PROGRAM);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(Stdio::null()).status()?;
        }
        Ok(())
    };
    let begun = Instant::now();
    let ended = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(turn)).collect();
        let mut ended = threads.into_iter().map(|thread| thread.join());
        ended.try_for_each(|ended| ended.expect("a loop of commands does not panic"))
    });
    ended.map_err(|cause| TrialError::NoProgram {
        program: PROGRAM,
        cause,
    })?;
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

impl Report for Figures {
    fn sheet(&self) -> Sheet {
        let raw = self.raw_sync_ms;
        Sheet::of_fields([
            ("processes", self.tasks.to_string()),
            (
                "workers",
                format!("{} with {} slots each", self.workers, self.slots),
            ),
            ("as tasks", format!("{:.0}/s", self.tasks_per_s)),
            ("bare", format!("{:.0}/s", self.bare_per_s)),
            ("ratio", format!("{:.2}", self.ratio)),
            (
                "server time a task",
                format!("{:.0} us", self.server_cpu_us_per_task),
            ),
            (
                "raw sync p50 p99",
                format!("{:.2} {:.2} ms", raw.p50, raw.p99),
            ),
        ])
    }

    fn ids(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bare_loop_runs_them_all() {
        assert!(spawn_and_wait(20, 3).unwrap() > 0.0);
    }
}

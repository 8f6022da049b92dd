//! Bar 3: over all workers and groups of a pod, no more processes at once than it has slots; also
//! while workers are killed, and paused beyond their lease, and while the server is killed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::options::Options;
use super::process::{Process, until};
use super::records::{Records, Token};
use super::system::System;

/// Silence after which a worker's lease has run out, so that a bar takes minutes and not hours.
const LEASE: &str = "2s";

/// Longer than lease, term and margin together: a worker paused for this long is lost.
const PAUSE: Duration = Duration::from_secs(7);

/// How long the next task may take to begin: a lost lease, a restart, and a busy machine.
const NEXT_TASK: Duration = Duration::from_secs(90);

/// What most executions last.
const SHORT_MS: u64 = 50;

/// Longer than a lease: an execution that only ends in time when somebody ends it.
const LONG_MS: u64 = 20_000;

const WORKERS: [(&str, &[&str]); 3] = [
    ("w1", &["--group", "a", "--group", "b"]),
    ("w2", &["--group", "a"]),
    ("w3", &["--group", "b"]),
];

pub(crate) fn run(options: &Options) -> Result<()> {
    let tasks = options.tasks(200, 60);
    let cycles = options.cycles(12, 3);
    let dice = &mut options.dice();
    for slots in [1, 2] {
        Pod::start(options, slots, "time")?
            .work(tasks)?
            .judge("calm", tasks)?;
    }
    for policy in ["time", "hold"] {
        for slots in [1, 2] {
            let mut pod = Pod::start(options, slots, policy)?.work(tasks)?;
            pod.disturb(cycles, dice)?;
            pod.judge("disturbed", tasks + cycles)?;
        }
    }
    Ok(())
}

/// A pod with three workers of two groups.
struct Pod {
    slots: i64,
    policy: &'static str,
    workers: Vec<(&'static str, Process)>,
    killed: usize,
    paused: usize,
    server_killed: usize,
    begun: Instant,
    system: System,
}

impl Pod {
    fn start(options: &Options, slots: i64, policy: &'static str) -> Result<Pod> {
        let system = System::start(&options.binary, Some(LEASE))?;
        let text = slots.to_string();
        system
            .clients()
            .run(&["pod", "set", "p", "--slots", &text, "--on-lost", policy])?;
        let begun = Instant::now();
        let mut pod = Pod {
            slots,
            policy,
            workers: Vec::new(),
            killed: 0,
            paused: 0,
            server_killed: 0,
            begun,
            system,
        };
        for (name, _) in WORKERS {
            let worker = pod.worker(name)?;
            pod.workers.push((name, worker));
        }
        Ok(pod)
    }

    fn worker(&self, name: &'static str) -> Result<Process> {
        let (_, groups) = WORKERS
            .iter()
            .find(|(known, _)| *known == name)
            .context("no worker")?;
        let flags = ["--pod", "p", "--concurrency", "4", "--allow-commands"];
        self.system
            .clients()
            .worker(name, &[groups, &flags[..]].concat())
    }

    /// Submits tasks of both groups.
    fn work(self, tasks: usize) -> Result<Pod> {
        for (group, count) in [("a", tasks / 2), ("b", tasks - tasks / 2)] {
            let count = count.to_string();
            self.submit(&["--group", group, "--count", &count], SHORT_MS, SHORT_MS)?;
        }
        Ok(self)
    }

    /// Submits witnesses whose first attempt lasts `first` milliseconds, and others `then`.
    fn submit(&self, flags: &[&str], first: u64, then: u64) -> Result<String> {
        let program = std::env::current_exe()?;
        let program = program.to_str().context("a path that is not UTF-8")?;
        let folder = self.system.path().to_string_lossy();
        let (slots, first, then) = (self.slots.to_string(), first.to_string(), then.to_string());
        let submit = ["submit", "--tag", "bar", "--max-lost", "1000"];
        let argv = ["--", program, "witness", &*folder, &slots, &first, &then];
        let printed = self
            .system
            .clients()
            .run(&[&submit[..], flags, &argv].concat())?;
        Ok(printed.trim().to_owned())
    }

    /// Kills and pauses workers, and kills the server, in turn, each while a long execution runs
    /// that the pod must not outlive.
    fn disturb(&mut self, cycles: usize, dice: &mut StdRng) -> Result<()> {
        for cycle in 0..cycles {
            let group = if dice.random() { "a" } else { "b" };
            let id = self.submit(&["--group", group, "--priority", "9"], LONG_MS, SHORT_MS)?;
            let name = self.worker_of(&(id, 1))?;
            let at = self.workers.iter().position(|(known, _)| *known == name);
            let at = at.context("a worker that was never started")?;
            std::thread::sleep(Duration::from_millis(dice.random_range(0..1_000)));
            // Shorter, and longer, than leases last.
            let outage = Duration::from_millis(dice.random_range(0..8_000));
            match cycle % 3 {
                0 => {
                    self.workers[at].1.kill()?;
                    self.killed += 1;
                    std::thread::sleep(outage);
                    self.workers[at].1 = self.worker(self.workers[at].0)?;
                }
                1 => {
                    self.workers[at].1.signal(Signal::SIGSTOP)?;
                    self.paused += 1;
                    std::thread::sleep(PAUSE);
                    self.workers[at].1.signal(Signal::SIGCONT)?;
                }
                _ => {
                    self.system.kill_and_restart(outage)?;
                    self.server_killed += 1;
                }
            }
        }
        Ok(())
    }

    /// The worker that executes an attempt, once it does.
    fn worker_of(&self, token: &Token) -> Result<String> {
        until(&format!("{token:?} begins"), NEXT_TASK, || {
            let records = Records::read(self.system.path())?;
            Ok(records.worker_of(token).map(str::to_owned))
        })
    }

    /// Waits for the end, and compares what the processes wrote with what was promised.
    fn judge(&self, part: &str, tasks: usize) -> Result<()> {
        let clients = self.system.clients();
        clients.wait("bar")?;
        let seconds = self.begun.elapsed().as_secs_f64();
        let records = Records::read(self.system.path())?;
        let listed = clients.tasks("bar")?;
        let succeeded = listed.iter().map(succeeded).sum::<Result<usize>>()?;
        let lost = self.lost(&records)?;
        let (overlaps, most) = (records.overlaps(), records.most_at_once());
        super::print(&json!({
            "bar": "pods", "part": part, "slots": self.slots, "on_lost": self.policy,
            "tasks": tasks, "succeeded": succeeded, "executions": records.executions.len(),
            "overlaps": overlaps, "most_at_once": most, "workers_killed": self.killed,
            "workers_paused": self.paused, "server_killed": self.server_killed,
            "executions_killed": records.killed(),
            "killed_on_record": lost, "seconds": seconds,
        }));
        ensure!(
            overlaps == 0,
            "{overlaps} executions met more than the pod's slots"
        );
        ensure!(
            most == self.slots,
            "{most} executions at once in {} slots",
            self.slots
        );
        ensure!(
            records.repeated.is_empty(),
            "executed again: {:?}",
            records.repeated
        );
        ensure!(succeeded == tasks, "{succeeded} of {tasks} succeeded");
        ensure!(
            records.executions.len() >= tasks,
            "tasks succeeded without an execution"
        );
        Ok(())
    }

    /// How many executions that never ended are on record as lost, or given back. There may be no
    /// other.
    fn lost(&self, records: &Records) -> Result<usize> {
        let mut lost = 0;
        for ((id, number), _) in records.executions.iter().filter(|(_, e)| e.ended.is_none()) {
            let task = self.system.clients().task(id)?;
            let attempts = task["attempts"]
                .as_array()
                .context("a task without attempts")?;
            let attempt = attempts
                .iter()
                .find(|attempt| attempt["attempt"] == *number);
            let outcome = attempt.map_or(&Value::Null, |attempt| &attempt["outcome"]);
            // A worker that was without its server for too long gives back what its guard killed.
            let told = outcome == "lost" || (outcome == "released" && self.server_killed > 0);
            ensure!(
                told,
                "{id}, attempt {number} was killed; on record: {outcome}"
            );
            lost += 1;
        }
        Ok(lost)
    }
}

/// How much of a task, or an array, has succeeded.
fn succeeded(task: &Value) -> Result<usize> {
    match task["counts"]["succeeded"].as_u64() {
        Some(elements) => Ok(usize::try_from(elements)?),
        None => Ok(usize::from(task["state"] == "succeeded")),
    }
}

//! Bar 8: tasks over many curves, and workers that remember a few each. Counted by what the
//! workers' processes saw: a hit is a curve that was among the worker's last ones. How often a task
//! was passed over is in the order of the leases, which no process sees: the events tell it.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rand::Rng;
use serde_json::{Value, json};

use super::options::Options;
use super::system::{Clients, System};

const CURVES: usize = 50;
const WORKERS: usize = 10;
const REMEMBERED: usize = 5;

/// How often a task may be passed over: docs/reference/limits.md.
const SKIPS: usize = 255;

/// The least share of hits.
const HITS: f64 = 0.9;

/// A line is one write, so the order of lines is the order of begins.
const SCRIPT: &str = "echo $CAPATAZ_WORKER $CURVE >>seen";

pub(crate) fn run(options: &Options) -> Result<()> {
    let tasks = options.tasks(5_000, 1_000);
    let system = System::start(&options.binary, None)?;
    let clients = system.clients();
    let seen = system.path().join("seen");
    let script = SCRIPT.replace("seen", &seen.to_string_lossy());
    let specs = system.path().join("specs");
    let mut dice = options.dice();
    let mut lines = String::new();
    for _ in 0..tasks {
        let curve = format!("curve={}", dice.random_range(0..CURVES));
        let argv = ["/bin/sh", "-c", &script];
        let spec = json!({"group": "g", "argv": argv, "env": {"CURVE": curve},
            "affinity": [curve], "tags": ["bar"]});
        lines.push_str(&format!("{spec}\n"));
    }
    fs::write(&specs, lines)?;
    clients.run(&["submit", "--json-lines", &specs.to_string_lossy()])?;
    let begun = Instant::now();
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        let (name, remember) = (format!("w{number}"), REMEMBERED.to_string());
        let flags = [
            "--group",
            "g",
            "--pod",
            &name,
            "--remember",
            &remember,
            "--allow-commands",
        ];
        workers.push(clients.worker(&name, &flags)?);
    }
    clients.wait("bar")?;
    let seconds = begun.elapsed().as_secs_f64();
    let text = fs::read_to_string(&seen)?;
    let seen: Vec<Seen> = text.lines().map(Seen::read).collect::<Result<_>>()?;
    ensure!(
        seen.len() == tasks,
        "{} executions of {tasks} tasks",
        seen.len()
    );
    let rate = hits(&seen) as f64 / tasks as f64;
    let most_skips = most_skips(&leases(clients)?);
    super::print(&json!({
        "bar": "affinity", "tasks": tasks, "curves": CURVES, "workers": WORKERS,
        "remembered": REMEMBERED, "hit_rate": rate, "most_skips": most_skips, "seconds": seconds,
    }));
    ensure!(rate >= HITS, "the hit rate is {rate}, and should be {HITS}");
    ensure!(
        most_skips <= SKIPS,
        "a task was passed over {most_skips} times"
    );
    Ok(())
}

/// One execution.
struct Seen<'a> {
    worker: &'a str,
    curve: &'a str,
}

impl Seen<'_> {
    fn read(line: &str) -> Result<Seen<'_>> {
        let words: Vec<&str> = line.split(' ').collect();
        let [worker, curve] = words.as_slice() else {
            anyhow::bail!("no line of ours: {line:?}");
        };
        Ok(Seen { worker, curve })
    }
}

/// How many executions found their curve among the last ones of their worker.
fn hits(seen: &[Seen<'_>]) -> usize {
    let mut remembered: BTreeMap<&str, VecDeque<&str>> = BTreeMap::new();
    let mut hits = 0;
    for Seen { worker, curve, .. } in seen {
        let curves = remembered.entry(worker).or_default();
        hits += usize::from(curves.contains(curve));
        curves.retain(|known| known != curve);
        curves.push_front(curve);
        curves.truncate(REMEMBERED);
    }
    hits
}

/// The tasks in the order in which they were leased.
fn leases(clients: &Clients) -> Result<Vec<u64>> {
    let events = clients.events("bar")?;
    let leases = events
        .iter()
        .filter(|event| event["type"] == "attempt_leased");
    let id = |event: &Value| event["task"].as_str().and_then(|id| id.parse().ok());
    leases
        .map(|event| id(event).context("a lease without a task"))
        .collect()
}

/// How many younger tasks were leased before a task, at most.
fn most_skips(leases: &[u64]) -> usize {
    let before = |(at, task): (usize, &u64)| leases[..at].iter().filter(|t| *t > task).count();
    leases
        .iter()
        .enumerate()
        .map(before)
        .max()
        .unwrap_or_default()
}

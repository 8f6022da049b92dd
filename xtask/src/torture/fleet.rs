//! Workers under load, and who of them may be hit: fast ones that run tasks in themselves, and ones
//! that run processes under a guard, in a pod for each policy of what becomes of lost attempts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::submit::Shape;
use crate::bars::process::Process;
use crate::bars::system::{Clients, System};
use crate::bars::witness::RECORD;

/// The group of the fast workers: `capataz bench-worker` knows no other.
pub(crate) const FAST: &str = "bench-drained";

/// The group of a worker over REST, which writes down what it was told of its reports.
pub(crate) const TOLD: &str = "over-rest";

/// Tasks of one submission to it: it takes one after the other.
const TOLD_TASKS: usize = 50;

/// A pod, and a group of that name, for each policy.
pub(crate) const POLICIES: [&str; 2] = ["time", "hold"];

/// Slots of each of these pods.
const SLOTS: &str = "4";

/// Slots of each fast worker: what is lost with it.
const FAST_SLOTS: &str = "500";

/// The longest that a task of theirs lasts: so many are under way whenever somebody is hit.
const FAST_MS: u64 = 250;

const FAST_WORKERS: [&str; 2] = ["fast-1", "fast-2"];

/// After a guard was killed its worker ends what is left, and is not hit until then: worker and
/// guard are never both gone.
const GUARD_GAP: Duration = Duration::from_secs(3);

/// All groups; each has a folder of that name for the records of its sandboxes.
pub(crate) fn groups() -> Vec<&'static str> {
    [&[FAST, TOLD][..], &POLICIES].concat()
}

/// Who is hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Victim {
    Server,
    Fast(usize),
    Worker(usize),
    Guard(usize),
}

impl Victim {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Victim::Server => "server",
            Victim::Fast(_) => "fast_worker",
            Victim::Worker(_) => "worker",
            Victim::Guard(_) => "guard",
        }
    }

    /// Two that may not be hit at once: a worker and its own guard; a guard and the server, whose
    /// silence only the guard can answer.
    pub(crate) fn excludes(self, other: Victim) -> bool {
        match (self, other) {
            (Victim::Worker(one), Victim::Guard(two))
            | (Victim::Guard(one), Victim::Worker(two)) => one == two,
            (Victim::Guard(_), Victim::Server) | (Victim::Server, Victim::Guard(_)) => true,
            _ => self == other,
        }
    }
}

/// A worker with a guard.
struct Guarded {
    name: String,
    pod: &'static str,
    process: Process,
    guard_hit: Option<Instant>,
}

pub(crate) struct Fleet {
    clients: Clients,
    folder: PathBuf,
    fast: Vec<Process>,
    guarded: Vec<Guarded>,
}

impl Fleet {
    pub(crate) fn start(system: &System) -> Result<Fleet> {
        let (clients, folder) = (system.clients().clone(), system.path().to_owned());
        let mut fleet = Fleet {
            clients,
            folder,
            fast: Vec::new(),
            guarded: Vec::new(),
        };
        for name in groups() {
            fs::create_dir(fleet.folder.join(name))?;
        }
        for name in FAST_WORKERS {
            let worker = fleet.start_fast(name)?;
            fleet.fast.push(worker);
        }
        for pod in POLICIES {
            let pod_set = ["pod", "set", pod, "--slots", SLOTS, "--on-lost", pod];
            fleet.clients.run(&pod_set)?;
            for number in 1..=2 {
                let name = format!("{pod}-{number}");
                let process = fleet.start_guarded(&name, pod)?;
                fleet.guarded.push(Guarded {
                    name,
                    pod,
                    process,
                    guard_hit: None,
                });
            }
        }
        Ok(fleet)
    }

    fn start_fast(&self, name: &str) -> Result<Process> {
        let record = self.folder.join(FAST).join(RECORD);
        let mut command = self.clients.command(&["bench-worker", "--name", name]);
        command
            .args(["--slots", FAST_SLOTS, "--record"])
            .arg(record);
        Process::start(command, &self.folder.join(format!("worker-{name}.log")))
    }

    fn start_guarded(&self, name: &str, pod: &str) -> Result<Process> {
        let flags = ["--group", pod, "--pod", pod, "--concurrency", SLOTS];
        self.clients
            .worker(name, &[&flags[..], &["--allow-commands"]].concat())
    }

    /// Somebody, at random.
    pub(crate) fn draw(&self, dice: &mut StdRng) -> Victim {
        loop {
            let at = dice.random_range(0..self.guarded.len());
            let victim = match dice.random_range(0..10) {
                0..3 => Victim::Server,
                3..5 => Victim::Fast(dice.random_range(0..self.fast.len())),
                5..8 => Victim::Worker(at),
                _ => Victim::Guard(at),
            };
            let recent = |at: usize| {
                let hit: Option<Instant> = self.guarded[at].guard_hit;
                hit.is_some_and(|hit| hit.elapsed() < GUARD_GAP)
            };
            match victim {
                Victim::Worker(at) if recent(at) => {}
                Victim::Guard(at) if recent(at) || self.guard(at).is_none() => {}
                victim => return victim,
            }
        }
    }

    /// The guard of a worker, when it has one.
    fn guard(&self, at: usize) -> Option<Pid> {
        let worker = self.guarded[at].process.id();
        let threads = fs::read_dir(format!("/proc/{worker}/task")).ok()?;
        let children = threads
            .flatten()
            .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        let is_guard = |id: &&str| {
            let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).nth(1) == Some(b"guard")
        };
        let text: String = children.collect::<Vec<_>>().join(" ");
        let id = text.split_whitespace().find(is_guard)?;
        Some(Pid::from_raw(id.parse().ok()?))
    }

    /// Sends a signal; false when the victim is not there.
    pub(crate) fn signal(
        &self,
        system: &mut System,
        victim: Victim,
        signal: Signal,
    ) -> Result<bool> {
        match victim {
            Victim::Server => system.process().signal(signal)?,
            Victim::Fast(at) => self.fast[at].signal(signal)?,
            Victim::Worker(at) => self.guarded[at].process.signal(signal)?,
            Victim::Guard(at) => {
                // The worker reaps its guard, so the id is the guard's while the worker has it.
                return Ok(self.guard(at).is_some_and(|id| kill(id, signal).is_ok()));
            }
        }
        Ok(true)
    }

    /// SIGKILL, and a successor after `away`. A guard's successor is its worker's business.
    pub(crate) fn kill(
        &mut self,
        system: &mut System,
        victim: Victim,
        away: Duration,
    ) -> Result<bool> {
        match victim {
            Victim::Server => {
                system.kill_and_restart(away)?;
            }
            Victim::Fast(at) => {
                self.fast[at].kill()?;
                std::thread::sleep(away);
                self.fast[at] = self.start_fast(FAST_WORKERS[at])?;
            }
            Victim::Worker(at) => {
                self.guarded[at].process.kill()?;
                std::thread::sleep(away);
                let (name, pod) = (self.guarded[at].name.clone(), self.guarded[at].pod);
                self.guarded[at].process = self.start_guarded(&name, pod)?;
            }
            Victim::Guard(at) => {
                self.guarded[at].guard_hit = Some(Instant::now());
                return self.signal(system, victim, Signal::SIGKILL);
            }
        }
        Ok(true)
    }

    /// No worker may end by itself, whatever happens around it.
    pub(crate) fn all_run(&mut self) -> Result<()> {
        let guarded = self.guarded.iter_mut().map(|worker| &mut worker.process);
        for worker in self.fast.iter_mut().chain(guarded) {
            if let Some(status) = worker.ended()? {
                anyhow::bail!("a worker ended by itself with {status}");
            }
        }
        Ok(())
    }
}

/// Most tasks are for the fast workers, some for the one over REST; the others are processes, some of
/// which outlive a lease.
pub(crate) struct Mixed {
    program: String,
    folder: PathBuf,
}

impl Mixed {
    pub(crate) fn new(folder: &Path) -> Result<Mixed> {
        let program = std::env::current_exe()?;
        let program = program.to_str().context("a path that is not UTF-8")?;
        Ok(Mixed {
            program: program.to_owned(),
            folder: folder.to_owned(),
        })
    }
}

impl Shape for Mixed {
    fn draw(&self, dice: &mut StdRng) -> (usize, Value) {
        if dice.random_bool(0.2) {
            let task = json!({"group": TOLD, "max_lost": 100_000, "max_attempts": 100_000});
            return (dice.random_range(1..=TOLD_TASKS), task);
        }
        if dice.random_bool(0.7) {
            let millis = dice.random_range(0..FAST_MS).to_string();
            let task = json!({"group": FAST, "payload": millis, "max_lost": 100_000});
            return (dice.random_range(1..=1_000), task);
        }
        let pod = POLICIES[dice.random_range(0..POLICIES.len())];
        let folder = self.folder.join(pod);
        let (size, millis) = match dice.random_bool(0.1) {
            true => (1, "4000"),
            false => (dice.random_range(1..=90), "1"),
        };
        let argv = [
            &self.program,
            "witness",
            &folder.to_string_lossy(),
            SLOTS,
            millis,
            "1",
        ];
        // A process whose guard was killed is reported as failed.
        let task = json!({"group": pod, "argv": argv, "max_lost": 100_000,
            "max_attempts": 100_000, "backoff": 0});
        (size, task)
    }
}

//! One server on a data folder that something happens to, clients that submit to it, and workers
//! that end its tasks. What all of them were told outlives every server that runs on the folder.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{Connection, Peer};
use super::notes::Notes;
use super::submit::{self, Allowance, Shape};
use super::verdict::{Lists, Verdict};
use super::work::Hand;
use crate::bars::process::until;
use crate::bars::system::{Setup, System};

const GROUP: &str = "tortured";

/// Clients and workers at once.
const CLIENTS: u64 = 3;
const WORKERS: u64 = 3;

/// Nobody renews these leases; what a server forgot of them comes back soon.
const LEASE: &str = "1s";

/// How long all tasks may take to end once nothing happens to the server any more.
const DRAIN: Duration = Duration::from_secs(120);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

pub(crate) struct Rig {
    /// What clients note, and what the server says.
    notes: TempDir,
    setup: Setup,
    shape: Small,
}

impl Rig {
    pub(crate) fn new(binary: &Path, data: PathBuf, payload: usize) -> Result<Rig> {
        let setup = Setup {
            binary: binary.to_owned(),
            lease: Some(LEASE),
            data: Some(data),
            env: Vec::new(),
        };
        Ok(Rig {
            notes: tempfile::tempdir()?,
            setup,
            shape: Small { payload },
        })
    }

    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.setup.env.push((name, value.to_owned()));
    }

    pub(crate) fn start(&self) -> Result<System> {
        System::start_as(self.setup.clone())
    }

    pub(crate) fn notes(&self) -> Result<Notes> {
        Notes::read(self.notes.path())
    }

    /// Compares what the server lists with what was acknowledged; all of it has ended when it is
    /// `finished`.
    pub(crate) fn check(&self, system: &System, finished: bool) -> Result<Verdict> {
        let lists = Lists::read(&peer(system), &[GROUP])?;
        Ok(Verdict::of_lists(&self.notes()?, &lists, finished))
    }

    /// Clients and workers until it is `enough`, with tasks numbered from `first` on, so many of
    /// them a millisecond at most; says which number comes next.
    pub(crate) fn load(
        &self,
        system: &System,
        first: usize,
        pace: usize,
        dice: &mut StdRng,
        mut enough: impl FnMut() -> Result<bool>,
    ) -> Result<usize> {
        let (peer, allowance) = (peer(system), Allowance::from(first));
        thread::scope(|scope| {
            let client = |_| {
                let dice = StdRng::seed_from_u64(dice.random());
                let (peer, folder, allowance) = (&peer, self.notes.path(), &allowance);
                let run = move || submit::run(peer, folder, allowance, &self.shape, dice);
                scope.spawn(run)
            };
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            let worker = |number| {
                let (hand, allowance) = (self.hand(&peer, number), &allowance);
                scope.spawn(move || hand.work(&|| allowance.is_revoked()))
            };
            let workers: Vec<_> = (0..WORKERS).map(worker).collect();
            let ended = loop {
                match enough() {
                    Ok(false) => {
                        allowance.grant(pace * LOOK.as_millis() as usize);
                        thread::sleep(LOOK);
                    }
                    Ok(true) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            allowance.revoke();
            for thread in clients.into_iter().chain(workers) {
                thread
                    .join()
                    .map_err(|_| anyhow::anyhow!("a thread panicked"))??;
            }
            ended
        })?;
        Ok(allowance.next())
    }

    fn hand<'a>(&'a self, peer: &'a Peer, number: u64) -> Hand<'a> {
        Hand {
            peer,
            folder: self.notes.path(),
            group: GROUP,
            number,
            record: None,
        }
    }

    /// Lets workers end all that is there.
    pub(crate) fn drain(&self, system: &System) -> Result<()> {
        let peer = peer(system);
        let done = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::Relaxed;
        thread::scope(|scope| {
            let (peer, done) = (&peer, &done);
            let worker = |number| {
                let (hand, stop) = (self.hand(peer, number), move || done.load(order));
                scope.spawn(move || hand.work(&stop))
            };
            let workers: Vec<_> = (0..WORKERS).map(worker).collect();
            let mut connection = Connection::new(peer);
            let ended = until("all tasks end", DRAIN, || {
                let group = connection.get(&format!("/api/v1/groups/{GROUP}"))?;
                let live = ["queued", "running", "scheduled"].map(|state| &group["counts"][state]);
                let live: u64 = live.into_iter().filter_map(Value::as_u64).sum();
                Ok((live == 0).then_some(()))
            });
            done.store(true, order);
            for worker in workers {
                worker
                    .join()
                    .map_err(|_| anyhow::anyhow!("a worker panicked"))??;
            }
            ended
        })
    }
}

fn peer(system: &System) -> Peer {
    Peer::new(system.clients().address(), system.clients().token())
}

/// Tasks that are little but their payload.
struct Small {
    payload: usize,
}

impl Shape for Small {
    fn draw(&self, dice: &mut StdRng) -> (usize, Value) {
        let task = json!({"group": GROUP, "max_lost": 100_000, "max_attempts": 100_000,
            "payload": "x".repeat(self.payload)});
        (dice.random_range(1..=100), task)
    }
}

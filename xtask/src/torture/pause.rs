//! SIGSTOP of the server, of workers and of guards beyond lease, term and margin, then SIGCONT:
//! each goes on where it was, and does not know that the world has.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use rand::Rng;
use rand::rngs::StdRng;

use super::fleet::{Fleet, Victim};
use super::load::LOST_AFTER;
use crate::bars::system::System;

/// Beyond the moment at which the tasks are given to others: it may go on while they are run.
const BEYOND_MS: std::ops::Range<u64> = 100..2_000;

/// Often two are paused at once, which need not know of each other.
const TWO: f64 = 0.7;

pub(crate) fn blow(
    system: &mut System,
    fleet: &mut Fleet,
    dice: &mut StdRng,
) -> Result<Vec<Victim>> {
    let mut victims = vec![fleet.draw(dice)];
    let second = fleet.draw(dice);
    if dice.random_bool(TWO) && !second.excludes(victims[0]) {
        victims.push(second);
    }
    let mut paused = Vec::new();
    for victim in victims {
        if fleet.signal(system, victim, Signal::SIGSTOP)? {
            paused.push(victim);
        }
    }
    thread::sleep(LOST_AFTER + Duration::from_millis(dice.random_range(BEYOND_MS)));
    for victim in &paused {
        fleet.signal(system, *victim, Signal::SIGCONT)?;
    }
    Ok(paused)
}

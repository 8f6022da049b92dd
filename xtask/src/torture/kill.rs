//! SIGKILL of the server, of workers and of guards at random moments under load.

use std::time::Duration;

use anyhow::Result;
use rand::Rng;
use rand::rngs::StdRng;

use super::fleet::{Fleet, Victim};
use crate::bars::system::System;

/// How long somebody may stay away: shorter, and longer, than a lease lasts.
const AWAY_MS: std::ops::Range<u64> = 0..5_000;

/// Most successors come at once.
const STAYS_AWAY: f64 = 0.15;

pub(crate) fn blow(
    system: &mut System,
    fleet: &mut Fleet,
    dice: &mut StdRng,
) -> Result<Vec<Victim>> {
    let away = match dice.random_bool(STAYS_AWAY) {
        true => dice.random_range(AWAY_MS),
        false => 0,
    };
    loop {
        let victim = fleet.draw(dice);
        if fleet.kill(system, victim, Duration::from_millis(away))? {
            return Ok(vec![victim]);
        }
    }
}

//! A sync fails once. The kernel then calls clean what it has not written, so that the next sync
//! says that all is well: the server must not believe it, neither this one nor its successor.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::Rng;
use rand::rngs::StdRng;

use super::Totals;
use crate::bars::process::until;
use crate::torture::options::Options;
use crate::torture::power::Plugged;

/// Tasks a millisecond.
const PACE: usize = 3;

/// Syncs until one fails.
const SYNCS: std::ops::Range<u64> = 0..600;

/// Failed syncs of one disk.
const FAILS: usize = 5;

/// How long a server works at most until a sync fails, and goes on if it can.
const LONGEST: Duration = Duration::from_secs(3);
const AFTERWARDS: Duration = Duration::from_millis(200);

/// How long a server may take to end by itself after that: it has a store to close.
const ENDS: Duration = Duration::from_secs(20);

/// How often the power goes too, once a successor has worked for a while.
const CUT: f64 = 0.5;

/// Work of that successor: some of it relies on what its predecessor left.
const SUCCESSOR: Duration = Duration::from_millis(300);

pub(super) fn run(options: &Options, totals: &mut Totals, dice: &mut StdRng) -> Result<()> {
    while totals.failed_syncs < options.rounds {
        let plugged = Plugged::new(&options.binary, dice)?;
        let (mut next, mut fails) = (0, 0);
        while fails < FAILS {
            let cut = dice.random_bool(CUT);
            let run = || until_cut(&plugged, cut, &mut next, totals, dice);
            plugged
                .mounted(run)
                .with_context(|| format!("failed sync {}", fails + 1))?;
            fails += 1;
            if cut {
                totals.cuts += 1;
                plugged.disk.lock().cut();
            }
        }
        let verdict = plugged.mounted(|| {
            let system = plugged.rig.start()?;
            plugged.rig.drain(&system)?;
            plugged.rig.check(&system, true)
        })?;
        totals.add(&verdict);
        totals.count(&plugged.rig.notes()?);
        eprintln!("{} failed syncs, {} lost", totals.failed_syncs, totals.lost);
    }
    Ok(())
}

/// A server until a sync fails, and its successor on what the kernel shows it.
fn until_cut(
    plugged: &Plugged,
    cut: bool,
    next: &mut usize,
    totals: &mut Totals,
    dice: &mut StdRng,
) -> Result<()> {
    let mut system = plugged.rig.start().context("a start before any fault")?;
    totals.add(&plugged.rig.check(&system, false)?);
    plugged.disk.lock().fate.fail_sync_after = Some(dice.random_range(SYNCS));
    let (begun, mut failed) = (Instant::now(), None);
    *next = plugged.rig.load(&system, *next, PACE, dice, || {
        if plugged.disk.lock().fate.failed_syncs > 0 {
            failed.get_or_insert_with(Instant::now);
        }
        let enough = failed.is_some_and(|failed: Instant| failed.elapsed() > AFTERWARDS);
        Ok(enough || begun.elapsed() > LONGEST)
    })?;
    let failed = std::mem::take(&mut plugged.disk.lock().fate.failed_syncs);
    plugged.disk.lock().fate.fail_sync_after = None;
    totals.failed_syncs += failed;
    if failed > 0 {
        let ended = until("the server ends", ENDS, || system.process().ended());
        totals.ended_by_sync += usize::from(ended.is_ok());
    }
    system.kill()?;
    let mut system = plugged.rig.start().context("a plain restart")?;
    totals.add(&plugged.rig.check(&system, false)?);
    if cut {
        let begun = Instant::now();
        *next = plugged.rig.load(&system, *next, PACE, dice, || {
            Ok(begun.elapsed() > SUCCESSOR)
        })?;
        plugged.disk.lock().fate.off = true;
    }
    system.kill()
}

//! The power is cut at a random change of the disk: what nobody synced is gone, or there in part.
//!
//! The server runs on a file system of our own, which lives in this process, so that no call goes
//! past it. docs/design/torture.md says why not by other means.

mod disk;
mod file;
mod mount;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::options::Options;
use super::rig::Rig;
use disk::Disk;
use mount::Shared;

/// Cuts of one disk: later ones meet what recovery made of earlier ones.
const CUTS_OF_A_DISK: usize = 10;

/// Changes until the power is gone, under load: a second or so.
const CHANGES: std::ops::Range<u64> = 1..4_000;

/// Likewise while a server starts.
const CHANGES_OF_A_START: std::ops::Range<u64> = 0..40;

/// Tasks a millisecond: some thousands for each cut.
const PACE: usize = 6;

/// How many cuts hit a server that starts.
const WHILE_STARTING: f64 = 0.15;

/// The load is cut by then, however little was written.
const LONGEST: Duration = Duration::from_secs(4);

/// A plugged-in disk, with a rig on it.
pub(crate) struct Plugged {
    pub(crate) rig: Rig,
    pub(crate) disk: Shared,
    at: PathBuf,
    // Dropped last: the mount is in it.
    _folder: TempDir,
}

impl Plugged {
    pub(crate) fn new(binary: &Path, dice: &mut StdRng) -> Result<Plugged> {
        let folder = tempfile::tempdir()?;
        let at = folder.path().join("disk");
        fs::create_dir(&at)?;
        let disk = Disk::new(StdRng::seed_from_u64(dice.random()));
        Ok(Plugged {
            rig: Rig::new(binary, at.join("data"), 100)?,
            disk: Shared::new(disk),
            at,
            _folder: folder,
        })
    }

    /// Runs something with the disk mounted. Everything it started is gone when it returns.
    pub(crate) fn mounted<T>(&self, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let mounted = self.disk.mount(&self.at)?;
        let result = run();
        mounted.unmount(&self.at)?;
        result
    }

    pub(crate) fn is_off(&self) -> bool {
        self.disk.lock().fate.off
    }
}

/// What came of all cuts.
#[derive(Default)]
struct Totals {
    cuts: usize,
    cuts_while_starting: usize,
    syncs: u64,
    acknowledged: usize,
    completed: usize,
    cancelled: usize,
    failed: usize,
    unanswered: usize,
    lost: usize,
    doubled: usize,
}

pub(crate) fn run(options: &Options) -> Result<(bool, Value)> {
    let begun = Instant::now();
    let (mut totals, mut dice) = (Totals::default(), options.dice());
    while totals.cuts < options.rounds || totals.acknowledged < options.tasks {
        ensure!(
            totals.cuts < 10 * options.rounds,
            "only {} tasks were acknowledged over {} cuts",
            totals.acknowledged,
            totals.cuts
        );
        one_disk(options, &mut totals, &mut dice)?;
        let Totals {
            cuts, acknowledged, ..
        } = totals;
        eprintln!("{cuts} cuts, {acknowledged} acknowledged");
    }
    let looked = totals.completed > 0 && totals.cancelled > 0 && totals.failed > 0;
    let whole = looked && totals.lost == 0 && totals.doubled == 0;
    let figures = json!({
        "torture": "power", "cuts": totals.cuts,
        "cuts_while_starting": totals.cuts_while_starting, "syncs": totals.syncs,
        "acknowledged": totals.acknowledged, "completions_acknowledged": totals.completed,
        "cancels_acknowledged": totals.cancelled, "failures_acknowledged": totals.failed,
        "unanswered": totals.unanswered, "lost": totals.lost, "recorded_twice": totals.doubled,
        "seconds": begun.elapsed().as_secs(),
    });
    Ok((whole, figures))
}

fn one_disk(options: &Options, totals: &mut Totals, dice: &mut StdRng) -> Result<()> {
    let plugged = Plugged::new(&options.binary, dice)?;
    let mut next = 0;
    for _ in 0..CUTS_OF_A_DISK {
        let starting = dice.random_bool(WHILE_STARTING);
        if starting {
            plugged.disk.lock().fate.cut_after = Some(dice.random_range(CHANGES_OF_A_START));
        }
        let run = || until_cut(&plugged, next, totals, dice);
        next = plugged
            .mounted(run)
            .with_context(|| format!("cut {}", totals.cuts + 1))?;
        totals.cuts += 1;
        totals.cuts_while_starting += usize::from(starting);
        plugged.disk.lock().cut();
    }
    let verdict = plugged.mounted(|| {
        let system = plugged.rig.start()?;
        plugged.rig.drain(&system)?;
        plugged.rig.check(&system, true)
    })?;
    totals.lost += verdict.lost;
    totals.doubled += verdict.doubled;
    let notes = plugged.rig.notes()?;
    totals.acknowledged += notes.accepted.len();
    totals.completed += notes.completed.len();
    totals.cancelled += notes.cancelled.len();
    totals.failed += notes.failed.len();
    totals.unanswered += notes.unanswered.len();
    totals.syncs += plugged.disk.lock().syncs;
    Ok(())
}

/// Starts a server, compares what it has with what was acknowledged before the last cut, and
/// loads it until the next; says which number comes after those that were submitted.
fn until_cut(
    plugged: &Plugged,
    next: usize,
    totals: &mut Totals,
    dice: &mut StdRng,
) -> Result<usize> {
    let mut system = match plugged.rig.start() {
        Ok(system) => system,
        Err(_) if plugged.is_off() => return Ok(next),
        Err(error) => return Err(error),
    };
    match plugged.rig.check(&system, false) {
        Ok(verdict) => {
            totals.lost += verdict.lost;
            totals.doubled += verdict.doubled;
        }
        Err(_) if plugged.is_off() => return Ok(next),
        Err(error) => return Err(error),
    }
    let changes = dice.random_range(CHANGES);
    plugged.disk.lock().fate.cut_after.get_or_insert(changes);
    let begun = Instant::now();
    let next = plugged.rig.load(&system, next, PACE, dice, || {
        let late = begun.elapsed() > LONGEST;
        let mut disk = plugged.disk.lock();
        disk.fate.off |= late;
        Ok(disk.fate.off)
    })?;
    system.kill()?;
    Ok(next)
}

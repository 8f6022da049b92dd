//! A small disk that something else fills, and leaves again.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::posix_fallocate;
use nix::mount::{MsFlags, mount, umount};
use nix::sys::statvfs::statvfs;
use rand::Rng;
use rand::rngs::StdRng;
use tempfile::TempDir;

use super::Totals;
use crate::torture::options::Options;
use crate::torture::rig::Rig;

/// Enough for everything that is submitted: only the ballast fills it.
const DISK: &str = "size=3000m,mode=0700";

/// Bytes of a task's payload, in some disks: large ones fill what the journal has set aside.
const PAYLOADS: [usize; 2] = [500, 20_000];

/// Room that is left for nobody, in some disks; in the others the limit is never reached.
const RESERVES: [&str; 3] = ["0", "0", "30 MiB"];

/// Tasks a millisecond: large ones fill in a second what is set aside.
const PACE: usize = 6;

/// Fills of one disk.
const FILLS: usize = 5;

/// What is left at most: a server still gets a few appends through.
const LEFT_BYTES: u64 = 2 << 20;

/// How long a server works before the disk is full, and while it is.
const EMPTY_MS: std::ops::Range<u64> = 100..700;
const FULL_MS: std::ops::Range<u64> = 300..1_200;

/// How often somebody restarts the server while the disk is full.
const RESTARTED: f64 = 0.3;

/// A memory disk, unmounted when it is dropped.
struct Small {
    at: PathBuf,
    _folder: TempDir,
}

impl Small {
    fn mount() -> Result<Small> {
        let folder = tempfile::tempdir()?;
        let at = folder.path().join("disk");
        fs::create_dir(&at)?;
        let (none, kind) = (None::<&str>, Some("tmpfs"));
        mount(none, &at, kind, MsFlags::empty(), Some(DISK)).context("no tmpfs: it needs root")?;
        Ok(Small {
            at,
            _folder: folder,
        })
    }

    fn free(&self) -> Result<u64> {
        let space = statvfs(&self.at)?;
        Ok(space.blocks_available() * space.fragment_size())
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Something else takes all but a little of the room; says whether nothing is left.
    fn fill(&self, left: u64) -> Result<bool> {
        let file = File::create(self.ballast())?;
        let (mut taken, mut piece) = (0, 1 << 30);
        while piece > 0 {
            let most = self.free()?.saturating_sub(left);
            piece = most.min(piece);
            match posix_fallocate(&file, taken as i64, piece as i64) {
                Ok(()) => taken += piece,
                // The server was faster.
                Err(_) => piece /= 2,
            }
        }
        Ok(self.free()? == 0)
    }

    fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // A server that hangs would keep it busy; it is gone with the machine then.
        let _ = umount(&self.at);
    }
}

/// How much is left for the server.
fn draw_left(dice: &mut StdRng) -> u64 {
    match dice.random_bool(0.5) {
        true => 0,
        false => dice.random_range(0..LEFT_BYTES),
    }
}

pub(super) fn run(options: &Options, totals: &mut Totals, dice: &mut StdRng) -> Result<()> {
    while totals.filled < options.rounds {
        let reserve = RESERVES[dice.random_range(0..RESERVES.len())];
        let disk = Small::mount()?;
        let payload = PAYLOADS[dice.random_range(0..PAYLOADS.len())];
        let mut rig = Rig::new(&options.binary, disk.at.join("data"), payload)?;
        rig.set("CAPATAZ_SERVE_DISK_RESERVE", reserve);
        one_disk(&disk, &rig, totals, dice)
            .with_context(|| format!("reserve {reserve}, payloads of {payload}"))?;
        totals.count(&rig.notes()?);
        let lost = totals.lost;
        let (filled, ended) = (totals.filled, totals.ended);
        eprintln!("filled {filled} times, {ended} ended, {lost} lost; {reserve}, {payload}");
    }
    Ok(())
}

fn one_disk(disk: &Small, rig: &Rig, totals: &mut Totals, dice: &mut StdRng) -> Result<()> {
    let (mut system, mut next) = (rig.start()?, 0);
    for _ in 0..FILLS {
        let (empty, full) = (dice.random_range(EMPTY_MS), dice.random_range(FULL_MS));
        let (begun, mut filled) = (Instant::now(), None);
        let left = draw_left(dice);
        next = rig.load(&system, next, PACE, dice, || {
            if filled.is_none() && begun.elapsed() >= Duration::from_millis(empty) {
                filled = Some(disk.fill(left)?);
            }
            Ok(begun.elapsed() >= Duration::from_millis(empty + full))
        })?;
        totals.filled += 1;
        totals.without_a_byte += usize::from(filled == Some(true));
        totals.ended += usize::from(system.process().ended()?.is_some());
        if dice.random_bool(RESTARTED) {
            system.kill()?;
            match rig.start() {
                Ok(started) => system = started,
                Err(_) => totals.refused_to_start += 1,
            }
        }
        disk.empty()?;
        if system.process().ended()?.is_some() {
            system = rig.start().context("with room again")?;
        }
        totals.add(&rig.check(&system, false)?);
    }
    rig.drain(&system)?;
    totals.add(&rig.check(&system, true)?);
    Ok(())
}

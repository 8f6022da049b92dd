//! Small histories: what a server was asked, what it answered, and the folder that it left.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use rand::rngs::StdRng;

use super::folder::{self, Kept};
use super::live::live;
use super::told::Told;
use crate::bars::process::until;
use crate::torture::rig::Rig;

/// How long a server may take to end cleanly.
const STOP: Duration = Duration::from_secs(30);

pub(crate) struct History {
    pub(crate) name: &'static str,
    pub(crate) told: Told,
    pub(crate) files: Vec<Kept>,
    /// Everything below it is known to have been synced.
    pub(crate) witnessed: u64,
}

/// The histories: their names, how many tasks, and how the server ends after each part.
pub(crate) const PLANS: [(&str, usize, &[Signal]); 4] = [
    ("stopped", 60, &[Signal::SIGTERM]),
    ("killed", 60, &[Signal::SIGKILL]),
    (
        "twice",
        40,
        &[Signal::SIGKILL, Signal::SIGTERM, Signal::SIGKILL],
    ),
    ("larger", 1_500, &[Signal::SIGKILL]),
];

impl History {
    /// Lets a server live through a history in `data`, and keeps what is left.
    pub(crate) fn make(
        binary: &Path,
        data: &Path,
        (name, tasks, ends): (&'static str, usize, &[Signal]),
        dice: &mut StdRng,
    ) -> Result<History> {
        let rig = Rig::new(binary, data.to_owned(), 0)?;
        let mut told = Told::default();
        for end in ends {
            let mut system = rig.start()?;
            live(&system, tasks, &mut told, dice)?;
            system.process().signal(*end)?;
            until("the server ends", STOP, || system.process().ended())?;
        }
        let files = folder::read(data)?;
        let witnessed = folder::witnessed(&files).context("no witness was left")?;
        Ok(History {
            name,
            told,
            files,
            witnessed,
        })
    }
}

//! Torture of real processes: the release binary as server and workers, killed, paused, cut off
//! from its power, with damaged files, and without room on its disk.
//!
//! What is checked is what clients and sandboxes wrote down themselves, against what the server
//! says in the end; nothing in here shares code with it. Each torture prints one line of JSON on
//! stdout, and ends with 0 only when all that was promised was seen.
//! docs/reference/torture.md says what each of them does.

mod corrupt;
mod events;
mod fleet;
mod full;
mod http;
mod kill;
mod load;
mod notes;
mod options;
mod pause;
mod power;
mod rig;
mod submit;
mod verdict;
mod work;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use options::Options;

const NAMES: &str = "kill, pause, power, corrupt or full";

/// Rounds and tasks of each torture.
fn defaults(name: &str) -> Option<(usize, usize)> {
    Some(match name {
        "kill" => (50, 200_000),
        "pause" => (25, 100_000),
        "power" => (100, 200_000),
        "corrupt" => (1_000, 0),
        "full" => (50, 0),
        _ => return None,
    })
}

/// Runs a torture, in an optimised build of this program: it reads and checks gigabytes.
///
/// # Errors
///
/// Something else than what was tortured failed, and nothing is proved.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode> {
    if cfg!(debug_assertions) {
        let status = Command::new("cargo")
            .args([
                "run",
                "--quiet",
                "--profile",
                "quick",
                "-p",
                "xtask",
                "--",
                "torture",
            ])
            .args(arguments)
            .current_dir(crate::root())
            .status()
            .context("cargo did not start")?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
    }
    let options = Options::parse(arguments, defaults)?;
    let (whole, figures) = match options.name.as_str() {
        "kill" => load::run(&options, kill::blow)?,
        "pause" => load::run(&options, pause::blow)?,
        "power" => power::run(&options)?,
        "corrupt" => corrupt::run(&options)?,
        _ => full::run(&options)?,
    };
    println!("{figures}");
    Ok(match whole {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

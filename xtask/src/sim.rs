//! `cargo xtask sim`: deterministic simulation. It runs as a program of its own, so that the other
//! tasks are built without the server; optimised, because what counts is how many seeds are tried.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Builds and runs the simulation with the arguments it was given.
///
/// # Errors
///
/// It could not be built or started. How it ended is the answer.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode> {
    let build = [
        "build",
        "--quiet",
        "--profile",
        "quick",
        "-p",
        "capataz-sim",
    ];
    let built = Command::new("cargo")
        .args(build)
        .current_dir(crate::root())
        .status()
        .context("cargo did not start")?;
    anyhow::ensure!(built.success(), "the simulation could not be built");
    let status = Command::new("cargo")
        .args(["run", "--quiet", "--profile", "quick"])
        .args(["-p", "capataz-sim", "--"])
        .args(arguments)
        .current_dir(crate::root())
        .status()
        .context("the simulation did not start")?;
    // Ended by a signal: nobody knows whether it would have failed.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

//! `capataz`: the one binary.
//!
//! It reads arguments and settings, asks a server through `capataz-api`, and prints what it
//! answers; `serve`, `worker` and `dev` run the crates of those names. No rule of scheduling and no
//! wire format is in here.

mod arguments;
mod bench;
mod commands;
mod demo;
mod doctor;
mod failure;
mod local;
mod logging;
mod nearest;
mod output;
mod progress;
mod quantiles;
mod reports;
mod running;
mod settings;
mod stop;
mod submit;
mod talk;
mod waiting;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use failure::{Exit, Failure};

fn main() -> ExitCode {
    // The guard is this binary too, and must have no second thread.
    capataz_worker::guard::run_if_guard();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help that nobody reads to its end is still help.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            }
            .into();
        }
    };
    match run(arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.tell().into(),
    }
}

fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let context = commands::Context::new(&arguments.shared)?;
    let runtime = tokio::runtime::Runtime::new().map_err(NoRuntime)?;
    let ended = runtime.block_on(commands::run(arguments.command, &context));
    // A thread that reads stdin may never come back; nothing is lost with it.
    runtime.shutdown_background();
    ended
}

/// The operating system gives this process no threads or no descriptors.
#[derive(Debug, thiserror::Error)]
#[error("no threads can be started: {0}")]
struct NoRuntime(std::io::Error);

impl failure::Told for NoRuntime {
    fn hint(&self) -> Option<String> {
        Some("see `ulimit -u` and `ulimit -n`".to_owned())
    }
}

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
mod import;
mod local;
mod logging;
mod nearest;
mod output;
mod progress;
mod quantiles;
mod reports;
mod running;
mod runs;
mod settings;
mod stop;
mod submit;
mod talk;
mod waiting;
mod yaml;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use arguments::{Arguments, Command};
use failure::{Exit, Failure};

/// A task passes through three threads of a server, and what one allocates another frees: there it
/// takes a tenth off what a step of a run costs the server. Libraries leave the choice to their user.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let runtime = runtime(&arguments.command).map_err(NoRuntime)?;
    let ended = runtime.block_on(commands::run(arguments.command, &context));
    // A thread that reads stdin may never come back; nothing is lost with it.
    runtime.shutdown_background();
    ended
}

/// A server's runtime has half of the cores, as its namespaces have threads of their own. All
/// others talk over one connection: a second thread would only hand things to and fro, and every
/// change of thread costs more than the work itself.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    let serves = matches!(
        command,
        Command::Serve(_) | Command::Dev(_) | Command::Demo(_)
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match serves {
        true => Builder::new_multi_thread()
            .worker_threads(cores.div_ceil(2))
            .enable_all()
            .build(),
        false => Builder::new_current_thread().enable_all().build(),
    }
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

//! The command line: what every command shares, and the list of commands.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands::{
    bench, completions, demo, dev, doctor, events, explain, group, journal, logs, pod, run, serve,
    stats, submit, task, token, wait, worker, workflow,
};
use crate::output::Format;

/// Below the help of `capataz` itself.
const EXAMPLES: &str = "\
Examples:
  capataz dev                                              everything in one process
  capataz submit --group files --wait -- sha256sum a.txt   one task
  capataz submit --group files --each-line list.txt --tag nightly -- sha256sum {}
  capataz wait --tag nightly --progress
  capataz task list --group files --state failed
  capataz run start etl --param day=2026-01-01 --wait       a run of a workflow

Exit codes: 0 success, 1 usage or connection, 2 the work failed, 3 cancelled,
4 timed out waiting, 5 not found.";

/// Hands durable tasks to workers.
#[derive(Debug, Parser)]
#[command(name = "capataz", version, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Shared {
    /// The settings file [default: ./capataz.toml, if it is there; variable: CAPATAZ_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the server is [default: http://127.0.0.1:7117; variable: CAPATAZ_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Certificates, in PEM, that may vouch for an https server [default: the system's; variable:
    /// CAPATAZ_TLS_CA]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    #[arg(
        long,
        short = 'o',
        global = true,
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    #[arg(help = "How results are printed: table, json or quiet (ids only) [default: table]")]
    pub(crate) output: Option<Format>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::Serve),
    Worker(Box<worker::Worker>),
    Dev(dev::Dev),
    Demo(demo::Demo),
    Submit(Box<submit::Submit>),
    Wait(wait::Wait),
    Logs(logs::Logs),
    Task(task::Task),
    Group(group::Group),
    Pod(pod::Pod),
    Stats(stats::Stats),
    Events(events::Events),
    Workflow(workflow::Workflow),
    Run(run::Run),
    Explain(explain::Explain),
    Token(token::Token),
    Bench(bench::Bench),
    Doctor(doctor::Doctor),
    Journal(journal::Journal),
    Completions(completions::Completions),
    #[command(hide = true, name = "bench-worker")]
    BenchWorker(bench::BenchWorker),
    #[command(hide = true, name = "demo-measure")]
    DemoMeasure(demo::DemoMeasure),
}

#[cfg(test)]
mod tests;

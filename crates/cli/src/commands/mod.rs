//! The commands, one file each: its arguments, whose documentation is its help, and what it does.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod group;
pub(crate) mod journal;
pub(crate) mod logs;
pub(crate) mod pod;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod stats;
pub(crate) mod submit;
pub(crate) mod task;
pub(crate) mod token;
pub(crate) mod wait;
pub(crate) mod worker;
pub(crate) mod workflow;

mod context;

pub(crate) use context::Context;

use crate::arguments::Command;
use crate::failure::{Exit, Failure};

/// Runs a command to its end.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Serve(command) => command.run(context).await,
        Command::Worker(command) => command.run(context).await,
        Command::Dev(command) => command.run(context).await,
        Command::Demo(command) => command.run(context).await,
        Command::Submit(command) => command.run(context).await,
        Command::Wait(command) => command.run(context).await,
        Command::Logs(command) => command.run(context).await,
        Command::Task(command) => command.run(context).await,
        Command::Group(command) => command.run(context).await,
        Command::Pod(command) => command.run(context).await,
        Command::Stats(command) => command.run(context).await,
        Command::Events(command) => command.run(context).await,
        Command::Explain(command) => command.run(context).await,
        Command::Token(command) => command.run(context).await,
        Command::Run(command) => command.run(context).await,
        Command::Workflow(command) => command.run(context).await,
        Command::Bench(command) => command.run(context).await,
        Command::Doctor(command) => command.run(context).await,
        Command::Journal(command) => command.run(context),
        Command::Completions(command) => command.run(context),
        Command::BenchWorker(command) => command.run(context).await,
        Command::DemoMeasure(command) => command.run(context),
    }
}

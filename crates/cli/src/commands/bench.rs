//! `bench`, and the worker it starts

use std::path::PathBuf;

use clap::Subcommand;

use super::Context;
use crate::bench::{BenchWorkerOptions, Load, measure, run_worker};
use crate::failure::{Exit, Failure};
use crate::stop::Stops;

const EXAMPLES: &str = "\
Examples:
  capataz bench queue
  capataz bench queue --tasks 200000 --workers 2 --output json

It starts a server and workers of its own over loopback: file journal, a sync before every answer,
history on. Nothing of a server that runs here is touched.";

/// Measure how fast this machine is.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Queue(Queue),
}

/// Measure the queue: submitting, handing out, and the time from submit to start.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Queue {
    /// Tasks that are queued and then drained
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=50_000_000))]
    tasks: u64,
    /// Worker processes, each in a pod of its own
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    workers: u32,
    /// Slots of each pod
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    slots: u32,
    /// The folder for the server's data; a temporary one otherwise. The disk under it is what is
    /// measured
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Run tasks that do nothing, as fast as they come; only `bench` starts it.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchWorker {
    /// Its name, and that of its pod.
    #[arg(long)]
    name: String,
    /// The slots of its pod.
    #[arg(long)]
    slots: u32,
    /// A file for a line when an attempt begins, and one when it ends.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl Bench {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let What::Queue(Queue {
            tasks,
            workers,
            slots,
            data_dir,
        }) = self.what;
        let figures = measure(Load {
            tasks,
            workers,
            slots,
            data_dir,
        })
        .await?;
        context.output.show(&figures)?;
        Ok(Exit::Success)
    }
}

impl BenchWorker {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (stops, token) = (Stops::listen()?, context.token()?);
        let url = &context.settings.server;
        let worker = BenchWorkerOptions {
            name: &self.name,
            slots: self.slots,
            record: self.record.as_deref(),
        };
        run_worker(worker, url, token.as_deref(), stops).await?;
        Ok(Exit::Success)
    }
}

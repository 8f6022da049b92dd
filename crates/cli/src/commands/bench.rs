//! `bench`, and the worker it starts

use std::path::PathBuf;

use clap::Subcommand;

use super::Context;
use crate::bench::{
    Backlog, Environment, Fleet, Growth, Load, Processes, Runs, Sustained, What, measure,
    measure_backlog, measure_growth, measure_processes, measure_runs, measure_sustained,
    run_worker,
};
use crate::failure::{Exit, Failure};
use crate::output::Format;
use crate::stop::Stops;

const EXAMPLES: &str = "\
Examples:
  capataz bench queue
  capataz bench queue --tasks 200000 --workers 2 --output json

It starts a server and workers of its own over loopback: file journal, a sync before every answer,
history on. Nothing of a server that runs here is touched.";

const BACKLOG_EXAMPLES: &str = "\
Examples:
  capataz bench backlog
  capataz bench backlog --tasks 50000000 --data-dir /mnt/fast --output json

It loads a server of its own with tasks of 100 bytes, drains a part of them, kills the server, and
starts it again. It fails when a task is missing then.";

const SUSTAINED_EXAMPLES: &str = "\
Examples:
  capataz bench sustained --rate 40000 --seconds 600

Every task is due at a time of its own, and its latency counts from then, whether or not the ones
before it were on time.";

const PROCESSES_EXAMPLES: &str = "\
Examples:
  capataz bench processes --tasks 20000 --slots 2

Beside it, as many threads as there are slots start the same program without any queue.";

const GROWTH_EXAMPLES: &str = "\
Examples:
  capataz bench growth --output json > growth.json
  capataz bench growth --what queued --max 10000000

As JSON it is one line a point; `cargo xtask plots FILE` draws them.";

const RUNS_EXAMPLES: &str = "\
Examples:
  capataz bench runs
  capataz bench runs --output json

Every step is a task of a worker that does nothing.";

/// Measure how fast this machine is.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    Queue(QueueArguments),
    Backlog(BacklogArguments),
    Sustained(SustainedArguments),
    Processes(ProcessesArguments),
    Growth(GrowthArguments),
    Runs(RunsArguments),
}

impl Benchmark {
    fn place(&self) -> &Place {
        match self {
            Benchmark::Queue(plan) => &plan.place,
            Benchmark::Backlog(plan) => &plan.place,
            Benchmark::Sustained(plan) => &plan.place,
            Benchmark::Processes(plan) => &plan.place,
            Benchmark::Growth(plan) => &plan.place,
            Benchmark::Runs(plan) => &plan.place,
        }
    }
}

/// Where the data of a benchmark goes.
#[derive(Debug, clap::Args)]
struct Place {
    /// A new folder for the server's data; a temporary one otherwise. The disk under it is what is
    /// measured
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// The workers of a benchmark.
#[derive(Debug, clap::Args)]
struct Crew {
    /// Worker processes, each in a pod of its own
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    workers: u32,
    /// Slots of each pod
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    slots: u32,
}

/// Measure runs of workflows: a chain, a fan-out and many small ones, beside plain tasks.
#[derive(Debug, clap::Args)]
#[command(after_help = RUNS_EXAMPLES)]
struct RunsArguments {
    /// Elements of the fan-out
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    elements: u32,
    /// Runs of a diamond of 20 steps at once
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    diamonds: u32,
    #[command(flatten)]
    crew: Crew,
    #[command(flatten)]
    place: Place,
}

/// Measure the queue: submitting, handing out, and the time from submit to start.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct QueueArguments {
    /// Tasks that are queued and then drained
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=50_000_000))]
    tasks: u64,
    #[command(flatten)]
    crew: Crew,
    #[command(flatten)]
    place: Place,
}

/// Measure a long queue: memory a task, dispatch from it, and a restart with it.
#[derive(Debug, clap::Args)]
#[command(after_help = BACKLOG_EXAMPLES)]
struct BacklogArguments {
    /// Tasks that are queued
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1_000..=50_000_000))]
    tasks: u64,
    /// Groups that they are dealt to
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    groups: u32,
    /// Give each task a dedup key, which is memory of its own
    #[arg(long)]
    dedup_keys: bool,
    #[command(flatten)]
    place: Place,
}

/// Measure a steady load: tasks at a fixed rate, run and shown in the history.
#[derive(Debug, clap::Args)]
#[command(after_help = SUSTAINED_EXAMPLES)]
struct SustainedArguments {
    /// Tasks a second
    #[arg(long, value_name = "N", default_value_t = 40_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: u64,
    /// For how long
    #[arg(long, value_name = "N", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    #[command(flatten)]
    crew: Crew,
    #[command(flatten)]
    place: Place,
}

/// Measure real processes: `/bin/true` as a task, beside a bare loop that starts it.
#[derive(Debug, clap::Args)]
#[command(after_help = PROCESSES_EXAMPLES)]
struct ProcessesArguments {
    /// Processes
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    tasks: u64,
    /// Workers, each in a pod of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    workers: u32,
    /// Slots of each pod
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    slots: u32,
    #[command(flatten)]
    place: Place,
}

/// Measure the cost of growth: of a dispatch, with more tasks, groups, pods and workers.
#[derive(Debug, clap::Args)]
#[command(after_help = GROWTH_EXAMPLES)]
struct GrowthArguments {
    /// What grows; may be repeated [default: all of them]
    #[arg(long, value_name = "WHAT")]
    what: Vec<What>,
    /// The largest size that is measured: ten million queued take minutes to load
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    max: u64,
    /// Tasks that are queued while something else grows
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(2..=10_000_000))]
    queued: u64,
    /// The longest time that one size dispatches
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    #[command(flatten)]
    place: Place,
}

/// Run tasks that do nothing, as fast as they come; only `bench` starts it.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchWorker {
    /// Its name, and that of its pod.
    #[arg(long)]
    name: String,
    /// The slots of each of its workers.
    #[arg(long)]
    slots: u32,
    /// A file for a line when an attempt begins, and one when it ends.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Workers in this process.
    #[arg(long, default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    sessions: u32,
    /// Pods that they are dealt to.
    #[arg(long, default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pods: u32,
    /// A group it serves; may be repeated.
    #[arg(long = "group", default_values = ["bench-drained", "bench-timed"])]
    groups: Vec<String>,
}

impl Bench {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let output = context.output;
        let place = self.what.place().data_dir.as_deref();
        // Taken before anything is measured, and outside of it.
        let environment = &Environment::of(place);
        match self.what {
            Benchmark::Queue(plan) => {
                let figures = measure(plan.into()).await?;
                output.show(&environment.beside(figures))?;
            }
            Benchmark::Backlog(plan) => {
                let figures = measure_backlog(plan.into()).await?;
                output.show(&environment.beside(figures))?;
            }
            Benchmark::Sustained(plan) => {
                let figures = measure_sustained(plan.into()).await?;
                output.show(&environment.beside(figures))?;
            }
            Benchmark::Processes(plan) => {
                let figures = measure_processes(plan.into()).await?;
                output.show(&environment.beside(figures))?;
            }
            Benchmark::Runs(plan) => {
                let figures = measure_runs(plan.into()).await?;
                output.show(&environment.beside(figures))?;
            }
            Benchmark::Growth(plan) => {
                let figures = measure_growth(plan.into(), environment, output).await?;
                // As JSON each point was printed as it came.
                if output.format != Format::Json {
                    output.show(&environment.beside(figures))?;
                }
            }
        }
        Ok(Exit::Success)
    }
}

impl From<QueueArguments> for Load {
    fn from(plan: QueueArguments) -> Load {
        Load {
            tasks: plan.tasks,
            workers: plan.crew.workers,
            slots: plan.crew.slots,
            data_dir: plan.place.data_dir,
        }
    }
}

impl From<BacklogArguments> for Backlog {
    fn from(plan: BacklogArguments) -> Backlog {
        Backlog {
            tasks: plan.tasks,
            groups: plan.groups,
            dedup_keys: plan.dedup_keys,
            data_dir: plan.place.data_dir,
        }
    }
}

impl From<SustainedArguments> for Sustained {
    fn from(plan: SustainedArguments) -> Sustained {
        Sustained {
            rate: plan.rate,
            seconds: plan.seconds,
            workers: plan.crew.workers,
            slots: plan.crew.slots,
            data_dir: plan.place.data_dir,
        }
    }
}

impl From<ProcessesArguments> for Processes {
    fn from(plan: ProcessesArguments) -> Processes {
        Processes {
            tasks: plan.tasks,
            workers: plan.workers,
            slots: plan.slots,
            data_dir: plan.place.data_dir,
        }
    }
}

impl From<RunsArguments> for Runs {
    fn from(plan: RunsArguments) -> Runs {
        Runs {
            elements: plan.elements,
            diamonds: plan.diamonds,
            workers: plan.crew.workers,
            slots: plan.crew.slots,
            data_dir: plan.place.data_dir,
        }
    }
}

impl From<GrowthArguments> for Growth {
    fn from(plan: GrowthArguments) -> Growth {
        let all = || What::ALL.to_vec();
        Growth {
            what: Some(plan.what)
                .filter(|what| !what.is_empty())
                .unwrap_or_else(all),
            max: plan.max,
            queued: plan.queued,
            seconds: plan.seconds,
            data_dir: plan.place.data_dir,
        }
    }
}

impl BenchWorker {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (stops, token) = (Stops::listen()?, context.token()?);
        let url = &context.settings.server;
        let fleet = Fleet {
            name: self.name,
            slots: self.slots,
            sessions: self.sessions,
            pods: self.pods,
            groups: self.groups,
            record: self.record,
        };
        run_worker(&fleet, url, token.as_deref(), stops).await?;
        Ok(Exit::Success)
    }
}

//! `bench growth`: what dispatching one task costs, while one thing grows and all others stay.

mod figures;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use capataz_api::rest::PodPatch;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::environment::Environment;
use super::recipe::Recipe;
use super::trial::{Trial, TrialError};
use crate::failure::Failure;
use crate::local::Process;
use crate::output::{Format, Output};
use crate::talk::say;
use figures::{Figures, Point};

/// Slots of the one worker, while something else grows than workers and pods.
const SLOTS: u32 = 100;
/// Tasks after which a point is measured well enough: their processor time is read in steps of
/// 10 ms.
const ENOUGH_TASKS: u64 = 50_000;
/// The name of everything that is made.
const NAME: &str = "bench-growth";

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// Tasks in the queue.
    Queued,
    /// Groups that the tasks are dealt to, all served by one worker.
    Groups,
    /// Pods of one slot, with a worker each.
    Pods,
    /// Workers of one slot, all in one pod.
    Workers,
}

impl What {
    /// All of them.
    pub(crate) const ALL: [What; 4] = [What::Queued, What::Groups, What::Pods, What::Workers];

    fn name(self) -> &'static str {
        match self {
            What::Queued => "queued",
            What::Groups => "groups",
            What::Pods => "pods",
            What::Workers => "workers",
        }
    }

    /// Where it is measured.
    fn sizes(self) -> &'static [u64] {
        match self {
            What::Queued => &[1_000, 10_000, 100_000, 1_000_000, 10_000_000],
            What::Groups | What::Pods => &[1, 10, 100, 1_000],
            What::Workers => &[1, 10, 100, 1_000, 2_000],
        }
    }

    fn stage(self, size: u64, queued: u64) -> Stage {
        let mut stage = Stage {
            queued,
            groups: 1,
            pods: 1,
            workers: 1,
            slots: SLOTS,
        };
        match self {
            What::Queued => stage.queued = size,
            What::Groups => stage.groups = size as u32,
            What::Pods => (stage.pods, stage.workers, stage.slots) = (size as u32, size as u32, 1),
            What::Workers => (stage.workers, stage.slots) = (size as u32, 1),
        }
        stage
    }
}

/// One size of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stage {
    queued: u64,
    groups: u32,
    pods: u32,
    workers: u32,
    slots: u32,
}

/// How much is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Growth {
    /// What grows, one after the other.
    pub(crate) what: Vec<What>,
    /// The largest size that is measured.
    pub(crate) max: u64,
    /// Tasks that are queued while something else grows.
    pub(crate) queued: u64,
    /// The longest time that one point dispatches.
    pub(crate) seconds: u64,
    /// Where the server's data goes; a temporary folder otherwise.
    pub(crate) data_dir: Option<PathBuf>,
}

/// Measures every point, each on a server of its own, and shows it as it comes.
pub(crate) async fn measure(
    plan: Growth,
    environment: &Environment,
    output: Output,
) -> Result<Figures, Failure> {
    more_open_files();
    let mut points = Vec::new();
    for what in &plan.what {
        for size in what.sizes().iter().filter(|size| **size <= plan.max) {
            let figures = measure_point(&plan, *what, *size).await?;
            points.push(figures.clone());
            if output.format == Format::Json {
                output.json_line(&environment.beside(figures))?;
            }
        }
    }
    Ok(Figures { points })
}

async fn measure_point(plan: &Growth, what: What, size: u64) -> Result<Point, TrialError> {
    let name = what.name();
    say(format_args!("bench: {size} {name}"));
    let folder = plan.data_dir.as_ref();
    let folder = folder.map(|folder| folder.join(format!("{name}-{size}")));
    let trial = Trial::start(folder, Vec::new()).await?;
    let patience = Duration::from_secs(plan.seconds);
    let cost = Course::new(trial, what.stage(size, plan.queued))
        .measure(patience)
        .await?;
    let tasks = cost.tasks.max(1) as f64;
    Ok(Point {
        what: name,
        at: size,
        tasks: cost.tasks,
        cpu_us_per_task: cost.cpu_s * 1e6 / tasks,
        wall_us_per_task: cost.wall_s * 1e6 / tasks,
    })
}

/// What some rounds of dispatching took.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    tasks: u64,
    cpu_s: f64,
    wall_s: f64,
}

struct Course {
    trial: Trial,
    stage: Stage,
    recipe: Recipe,
    next: u64,
}

impl Course {
    fn new(trial: Trial, stage: Stage) -> Course {
        Course {
            trial,
            stage,
            recipe: Recipe::of_groups(NAME, stage.groups),
            next: 0,
        }
    }

    /// Lets tasks go in rounds of half the queue, which is filled up in between, until enough went
    /// or the time is over.
    async fn measure(mut self, patience: Duration) -> Result<Cost, TrialError> {
        self.hold(true).await?;
        let mut fleet = self.start_fleet().await?;
        let mut cost = Cost::default();
        while cost.tasks < ENOUGH_TASKS && cost.wall_s < patience.as_secs_f64() {
            let ended = self.trial.counts().await?.ended();
            let to = ended + self.stage.queued;
            self.recipe.load(&self.trial.client, self.next, to).await?;
            self.next = to;
            self.trial.caught_up().await?;
            let left = patience.saturating_sub(Duration::from_secs_f64(cost.wall_s));
            self.round(left, &mut cost).await?;
        }
        fleet.still_runs()?;
        fleet.stop().await;
        self.trial.stop().await;
        Ok(cost)
    }

    async fn round(&self, patience: Duration, cost: &mut Cost) -> Result<(), TrialError> {
        let share = (self.stage.queued / 2).min(ENOUGH_TASKS);
        let ended = self.trial.counts().await?.ended();
        let cpu = self.trial.cpu_seconds()?;
        let begun = Instant::now();
        self.hold(false).await?;
        let over = || begun.elapsed() > patience;
        self.trial
            .until(|counts| counts.ended() >= ended + share || over())
            .await?;
        self.hold(true).await?;
        let counts = self.trial.until(|counts| counts.running == 0).await?;
        cost.wall_s += begun.elapsed().as_secs_f64();
        // The history of these tasks belongs to what they cost.
        self.trial.caught_up().await?;
        cost.cpu_s += self.trial.cpu_seconds()? - cpu;
        cost.tasks += counts.ended() - ended;
        Ok(())
    }

    /// Whether tasks are held back: by their group when there is one, else by the one pod.
    async fn hold(&self, on: bool) -> Result<(), TrialError> {
        let client = &self.trial.client;
        if let [group] = &self.recipe.groups[..] {
            client.pause_group(group, on).await?;
        } else {
            let slots = Some(self.stage.slots);
            let patch = PodPatch {
                slots,
                ..PodPatch::default()
            };
            client.set_pod(NAME, &patch).await?;
            client.pause_pod(NAME, on).await?;
        }
        Ok(())
    }

    async fn start_fleet(&self) -> Result<Process, TrialError> {
        let number = |number: u32| number.to_string();
        let Stage {
            pods,
            workers,
            slots,
            ..
        } = self.stage;
        let (slots, sessions, pods) = (number(slots), number(workers), number(pods));
        let mut arguments = vec!["bench-worker", "--name", NAME, "--slots", &slots];
        arguments.extend(["--sessions", &sessions, "--pods", &pods]);
        for group in &self.recipe.groups {
            arguments.extend(["--group", group]);
        }
        let mut fleet = [self.trial.start_worker(NAME, &arguments)?];
        self.trial.joined(&mut fleet, workers.into()).await?;
        let [fleet] = fleet;
        Ok(fleet)
    }
}

/// Each worker is a connection, and many systems begin with fewer open files than they allow. What
/// this process may, the server and the workers it starts may too.
fn more_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Without it the largest fleets do not join, which is said then.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

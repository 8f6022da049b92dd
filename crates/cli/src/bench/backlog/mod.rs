//! `bench backlog`: a queue far longer than anybody wants: loaded, looked at, drained partly,
//! killed, and started again.

mod figures;
mod needs;
mod probe;

use std::path::PathBuf;
use std::time::Instant;

use capataz_api::rest::Counts;
use tokio::task::JoinSet;

use super::recipe::{PAYLOAD_BYTES, Recipe};
use super::trial::{Trial, TrialError};
use crate::local::Process;
use crate::talk::say;
use figures::{Disk, Figures, Point, Submits};
use needs::Needs;
use probe::{Probe, Submit};

/// With so many queued, everything is as it usually is: what more of them cost is measured against
/// this.
const FEW: u64 = 100_000;
/// Tasks that are drained of the few: enough for a second of work.
const DRAINED_OF_FEW: u64 = 50_000;
/// Tasks that are drained of the many at most.
const DRAINED_OF_MANY: u64 = 500_000;
/// One of so many is drained.
const DRAINED_PART: u64 = 20;
/// Tasks that are submitted just before the server is killed, so that its store is behind.
const LAST: u64 = 10_000;
/// Worker processes that drain.
const WORKERS: u32 = 2;
/// Slots of each.
const SLOTS: u32 = 1_000;
/// Dedup keys beyond those of the measured tasks.
const SPARE_KEYS: u64 = 1_000_000;

/// How much is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Backlog {
    /// Tasks that are queued.
    pub(crate) tasks: u64,
    /// Groups they are dealt to.
    pub(crate) groups: u32,
    /// Whether each has a dedup key.
    pub(crate) dedup_keys: bool,
    /// Where the server's data goes; a temporary folder otherwise.
    pub(crate) data_dir: Option<PathBuf>,
}

/// A measurement under way.
struct Course {
    trial: Trial,
    recipe: Recipe,
    /// The number of the next task that is submitted.
    next: u64,
    /// Probes that were submitted; nobody runs them.
    probes: u64,
}

/// The ordinary case.
struct Ordinary {
    submit: Submit,
    dispatch_per_s: f64,
    point: Point,
}

/// All are queued.
struct Filled {
    load_s: f64,
    catch_up_s: f64,
    loading: Submit,
    catching_up: Submit,
    idle: Submit,
    half: Point,
    all: Point,
    disk: Disk,
}

/// Measures everything, on a server and workers of its own.
pub(crate) async fn measure(plan: Backlog) -> Result<Figures, TrialError> {
    Needs::of(&plan).tell(plan.data_dir.as_deref());
    let mut course = Course::begin(&plan).await?;
    let few = FEW.min(plan.tasks / 2);
    say(format_args!("bench: {few} queued, the ordinary case"));
    let ordinary = course.ordinary(few).await?;
    say(format_args!("bench: loading until {} are", plan.tasks));
    let filled = course.fill(few, plan.tasks).await?;
    let drained = (plan.tasks / DRAINED_PART).clamp(DRAINED_OF_FEW.min(few / 2), DRAINED_OF_MANY);
    say(format_args!("bench: draining {drained} of them"));
    let dispatch_many_per_s = course.drain(drained).await?;
    say("bench: killing the server, and starting it again");
    let (ready_s, queued_after_restart) = course.crash(LAST.min(few / 10)).await?;
    let rss_bytes_after_restart = course.trial.memory()?.rss_bytes;
    let raw_sync_ms = course.trial.measure_disk()?;
    course.trial.stop().await;
    let points = [ordinary.point, filled.half, filled.all];
    Ok(Figures {
        tasks: plan.tasks,
        groups: plan.groups,
        payload_bytes: PAYLOAD_BYTES,
        dedup_keys: plan.dedup_keys,
        load_per_s: (plan.tasks - few) as f64 / filled.load_s,
        catch_up_s: filled.catch_up_s,
        submit_ms: Submits {
            few: ordinary.submit,
            loading: filled.loading,
            catching_up: filled.catching_up,
            idle: filled.idle,
        },
        rss_bytes_per_queued_task: points[0].slope_to(&points[2]),
        rss_bytes_per_queued_task_second_half: points[1].slope_to(&points[2]),
        memory: points.to_vec(),
        drained,
        dispatch_few_per_s: ordinary.dispatch_per_s,
        dispatch_many_per_s,
        dispatch_ratio: dispatch_many_per_s / ordinary.dispatch_per_s,
        ready_s,
        queued_after_restart,
        rss_bytes_after_restart,
        disk: filled.disk,
        raw_sync_ms,
    })
}

impl Course {
    async fn begin(plan: &Backlog) -> Result<Course, TrialError> {
        let keys = plan.tasks + SPARE_KEYS;
        let variables = vec![("CAPATAZ_SERVE_MAX_DEDUP_KEYS", keys.to_string())];
        let course = Course {
            trial: Trial::start(plan.data_dir.clone(), variables).await?,
            recipe: Recipe {
                keyed: plan.dedup_keys,
                ..Recipe::of_groups("bench-backlog", plan.groups)
            },
            next: 0,
            probes: 0,
        };
        course.hold(true).await?;
        Ok(course)
    }

    /// Measures with `few` queued, and leaves as many.
    async fn ordinary(&mut self, few: u64) -> Result<Ordinary, TrialError> {
        self.load_until(few).await?;
        self.trial.caught_up().await?;
        let submit = self.idle_probe().await?;
        let dispatch_per_s = self.drain(DRAINED_OF_FEW.min(few / 2)).await?;
        self.load_until(few).await?;
        Ok(Ordinary {
            submit,
            dispatch_per_s,
            point: self.point().await?,
        })
    }

    /// Loads from `few` to `all`, and looks on the way.
    async fn fill(&mut self, few: u64, all: u64) -> Result<Filled, TrialError> {
        let written = self.trial.journal_bytes_written().await?;
        let probe = Probe::start(self.trial.another_client()?);
        let mut load_s = self.load_until(few + (all - few) / 2).await?;
        let half = self.point().await?;
        load_s += self.load_until(all).await?;
        let loading = self.end_probe(probe).await?;
        let probe = Probe::start(self.trial.another_client()?);
        let catch_up_s = self.trial.caught_up().await?.as_secs_f64();
        let catching_up = self.end_probe(probe).await?;
        let point = self.point().await?;
        let written = self.trial.journal_bytes_written().await? - written;
        let on_disk = self.trial.stats().await?.disk;
        Ok(Filled {
            load_s,
            catch_up_s,
            loading,
            catching_up,
            idle: self.idle_probe().await?,
            half,
            all: point,
            disk: Disk {
                journal_written_bytes_per_task: written as f64 / (all - few) as f64,
                journal_bytes: on_disk.journal_bytes,
                store_bytes: on_disk.store_bytes,
                store_bytes_per_task: on_disk.store_bytes as f64 / all as f64,
            },
        })
    }

    /// Queued tasks of the recipe; probes are queued too, and are not of it.
    fn queued(&self, counts: &Counts) -> u64 {
        counts.queued - self.probes.min(counts.queued)
    }

    /// Submits until so many are queued: the seconds it took.
    async fn load_until(&mut self, queued: u64) -> Result<f64, TrialError> {
        let ended = self.trial.counts().await?.ended();
        let begun = Instant::now();
        let (from, to) = (self.next, queued + ended);
        self.recipe.load(&self.trial.client, from, to).await?;
        self.next = to.max(from);
        Ok(begun.elapsed().as_secs_f64())
    }

    /// Holds all groups back, or lets them go: all at once, as far as that goes.
    async fn hold(&self, on: bool) -> Result<(), TrialError> {
        let mut calls = JoinSet::new();
        for group in self.recipe.groups.clone() {
            let client = self.trial.client.clone();
            calls.spawn(async move { client.pause_group(&group, on).await });
        }
        while let Some(called) = calls.join_next().await {
            called??;
        }
        Ok(())
    }

    /// Memory and queue, once the store has all.
    async fn point(&self) -> Result<Point, TrialError> {
        self.trial.caught_up().await?;
        let counts = self.trial.counts().await?;
        Ok(Point {
            queued: counts.queued,
            memory: self.trial.memory()?,
        })
    }

    /// Latencies of single submits while nothing else is asked for.
    async fn idle_probe(&mut self) -> Result<Submit, TrialError> {
        let probe = Probe::start(self.trial.another_client()?);
        tokio::time::sleep(probe::IDLE).await;
        self.end_probe(probe).await
    }

    async fn end_probe(&mut self, probe: Probe) -> Result<Submit, TrialError> {
        let submit = probe.end().await?;
        self.probes += submit.submits;
        Ok(submit)
    }

    /// Lets about `count` tasks go: how many end in a second.
    async fn drain(&self, count: u64) -> Result<f64, TrialError> {
        let mut workers = self.start_workers().await?;
        let before = self.trial.counts().await?.ended();
        let begun = Instant::now();
        self.hold(false).await?;
        let counts = self
            .trial
            .until(|counts| counts.ended() - before >= count)
            .await?;
        let rate = (counts.ended() - before) as f64 / begun.elapsed().as_secs_f64();
        self.hold(true).await?;
        self.trial.until(|counts| counts.running == 0).await?;
        for worker in &mut workers {
            worker.still_runs()?;
        }
        for worker in workers {
            worker.stop().await;
        }
        Ok(rate)
    }

    async fn start_workers(&self) -> Result<Vec<Process>, TrialError> {
        let slots = SLOTS.to_string();
        let mut workers = Vec::new();
        for number in 1..=WORKERS {
            let name = format!("bench-{number}");
            let mut arguments = vec!["bench-worker", "--name", &name, "--slots", &slots];
            for group in &self.recipe.groups {
                arguments.extend(["--group", group]);
            }
            workers.push(self.trial.start_worker(&name, &arguments)?);
        }
        self.trial.joined(&mut workers, WORKERS.into()).await?;
        Ok(workers)
    }

    /// Submits some more, kills the server at once, and counts after it has come back: the seconds
    /// until it was ready, and what is queued.
    async fn crash(&mut self, more: u64) -> Result<(f64, u64), TrialError> {
        let queued = self.queued(&self.trial.counts().await?);
        self.load_until(queued + more).await?;
        let expected = queued + more;
        let ready_s = self.trial.kill_and_restart().await?;
        let found = self.queued(&self.trial.counts().await?);
        if found != expected {
            return Err(TrialError::Lost { expected, found });
        }
        Ok((ready_s, found))
    }
}

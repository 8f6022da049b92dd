//! `bench runs`: what a step of a run costs, beside a plain task.

use std::path::PathBuf;
use std::time::Instant;

use capataz_api::client::ClientError;
use capataz_api::limits::BATCH_RUNS;
use capataz_api::rest::{StartRunRequest, StartRunsRequest};
use serde::Serialize;
use serde_json::{Value, json};

use super::recipe::Recipe;
use super::trial::{Trial, TrialError};
use crate::doctor::sync::SyncMillis;
use crate::output::{Report, Sheet};
use crate::talk::say;

/// Steps of the chain, as deep as a workflow may be.
const CHAIN: u32 = 1_000;
/// Steps of a diamond: a first, a last, and those between them side by side.
const DIAMOND: u32 = 20;
/// The group of all tasks and steps, as [`Recipe`] names it.
const GROUP: &str = "bench-runs";
/// The workflow that they follow.
const DIAMONDS: &str = "bench-diamond";

/// How much is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    /// Elements of the fan-out.
    pub(crate) elements: u32,
    /// Diamonds at once.
    pub(crate) diamonds: u32,
    /// Worker processes, each in a pod of its own.
    pub(crate) workers: u32,
    /// Slots of each pod.
    pub(crate) slots: u32,
    /// Where the server's data goes; a temporary folder otherwise.
    pub(crate) data_dir: Option<PathBuf>,
}

/// What `bench runs` found. Every step is a task of a worker that does nothing.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Plain tasks, as many as the diamonds have steps.
    pub(crate) plain: Part,
    /// A chain: one step after the other.
    pub(crate) chain: Part,
    /// Records of the journal for each step of the chain, beside the one that starts the run: each
    /// is synced once at the most.
    pub(crate) chain_records_per_step: f64,
    /// Other syncs of the journal meanwhile: of its witness, every 50 ms however many steps there
    /// are, and of new segments.
    pub(crate) chain_other_syncs: u64,
    /// A fan-out, its join included.
    pub(crate) elements: Part,
    /// Runs of a diamond at once.
    pub(crate) diamonds: Part,
    /// How many times as long a step of a diamond takes as a plain task, from the first call to the
    /// last end.
    pub(crate) diamond_ratio: f64,
    /// The same to when the history shows all of them.
    pub(crate) diamond_ratio_shown: f64,
    /// The same as both for an element of the fan-out.
    pub(crate) element_ratio: f64,
    /// See there.
    pub(crate) element_ratio_shown: f64,
    /// Resident memory of the server at the end.
    pub(crate) rss_bytes: u64,
    /// One append of 4 KiB and its sync on the same disk, at the start and at the end.
    pub(crate) raw_sync_ms: SyncMillis,
}

/// What one part of the measurement took.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Part {
    /// Tasks, steps or elements.
    pub(crate) count: u64,
    /// Seconds from the first call until the last has ended, durably.
    pub(crate) seconds: f64,
    /// Seconds from the first call until the history shows that.
    pub(crate) shown_seconds: f64,
    /// Microseconds of processor time that the server takes for each, its history included.
    pub(crate) server_us: f64,
}

impl Part {
    fn per_s(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    fn words(&self) -> String {
        let (count, per_s, us) = (self.count, self.per_s(), self.server_us);
        format!("{per_s:.0}/s of {count}, {us:.0} us of the server each")
    }

    /// How many times as long one of these takes as one of those: until it has ended, and until the
    /// history shows it.
    fn ratios(&self, other: &Part) -> (f64, f64) {
        let each = |part: &Part, seconds: f64| seconds / part.count as f64;
        (
            each(self, self.seconds) / each(other, other.seconds),
            each(self, self.shown_seconds) / each(other, other.shown_seconds),
        )
    }
}

/// Measures it, on a server and workers of its own.
pub(crate) async fn measure(plan: Runs) -> Result<Figures, TrialError> {
    let mut trial = Trial::start(plan.data_dir.clone(), Vec::new()).await?;
    let slots = plan.slots.to_string();
    let mut workers = Vec::new();
    for number in 1..=plan.workers {
        let name = format!("bench-{number}");
        let (command, group) = ("bench-worker", group());
        let flags = [
            command, "--name", &name, "--slots", &slots, "--group", &group,
        ];
        workers.push(trial.start_worker(&name, &flags)?);
    }
    trial.joined(&mut workers, plan.workers.into()).await?;
    let steps = u64::from(plan.diamonds * DIAMOND);
    say(format_args!("bench: {steps} plain tasks"));
    let load = async || Ok(recipe().load(&trial.client, 0, steps).await?);
    let plain = part(&trial, steps, load).await?;
    say(format_args!("bench: a chain of {CHAIN} steps"));
    let before = trial.stats().await?.journal;
    let chain = part(&trial, CHAIN.into(), async || start(&trial, chain()).await).await?;
    let after = trial.stats().await?.journal;
    let records = after.position - before.position;
    say(format_args!("bench: a fan-out of {}", plan.elements));
    let fan = fan_out(plan.elements);
    let elements = part(&trial, plan.elements.into(), async || {
        start(&trial, fan).await
    });
    let elements = elements.await?;
    let runs = plan.diamonds;
    say(format_args!("bench: {runs} diamonds of {DIAMOND} steps"));
    trial.client.put_workflow(DIAMONDS, &diamond()).await?;
    let diamonds = part(&trial, steps, async || start_diamonds(&trial, runs).await).await?;
    let rss_bytes = trial.memory()?.rss_bytes;
    for worker in workers {
        worker.stop().await;
    }
    let raw_sync_ms = trial.measure_disk()?;
    trial.stop().await;
    let (diamond_ratio, diamond_ratio_shown) = diamonds.ratios(&plain);
    let (element_ratio, element_ratio_shown) = elements.ratios(&plain);
    Ok(Figures {
        plain,
        chain,
        chain_records_per_step: records.saturating_sub(1) as f64 / f64::from(CHAIN),
        chain_other_syncs: (after.syncs - before.syncs).saturating_sub(records),
        elements,
        diamonds,
        diamond_ratio,
        diamond_ratio_shown,
        element_ratio,
        element_ratio_shown,
        rss_bytes,
        raw_sync_ms,
    })
}

/// Begins something and waits until `count` tasks of it have ended, and then until the history
/// shows them. All parts are waited for in the same way, so that they compare.
async fn part(
    trial: &Trial,
    count: u64,
    begin: impl AsyncFnOnce() -> Result<(), TrialError>,
) -> Result<Part, TrialError> {
    let ended = trial.counts().await?.ended();
    let cpu = trial.cpu_seconds()?;
    let begun = Instant::now();
    begin().await?;
    trial
        .until(|counts| counts.ended() >= ended + count)
        .await?;
    let seconds = begun.elapsed().as_secs_f64();
    trial.caught_up().await?;
    Ok(Part {
        count,
        seconds,
        shown_seconds: begun.elapsed().as_secs_f64(),
        server_us: (trial.cpu_seconds()? - cpu) * 1e6 / count as f64,
    })
}

/// Starts one run.
async fn start(trial: &Trial, definition: Value) -> Result<(), TrialError> {
    let request = StartRunRequest {
        definition: Some(definition),
        ..StartRunRequest::default()
    };
    trial.client.start_run(&request).await?;
    Ok(())
}

/// Starts many runs at once, as plain tasks are: in as few calls as it takes.
async fn start_diamonds(trial: &Trial, count: u32) -> Result<(), TrialError> {
    let run = StartRunRequest {
        workflow: Some(DIAMONDS.to_owned()),
        ..StartRunRequest::default()
    };
    let runs = vec![run; count as usize];
    for runs in runs.chunks(BATCH_RUNS) {
        let runs = runs.to_vec();
        let started = trial.client.start_runs(&StartRunsRequest { runs }).await?;
        if let Some(refused) = started.runs.into_iter().find_map(|run| run.problem) {
            return Err(ClientError::Refused(refused).into());
        }
    }
    Ok(())
}

fn recipe() -> Recipe {
    Recipe::of_groups(GROUP, 1)
}

fn group() -> String {
    recipe().groups[0].clone()
}

fn step(id: u32, after: &[u32]) -> Value {
    let after: Vec<String> = after.iter().map(|step| format!("s{step}")).collect();
    json!({ "id": format!("s{id}"), "after": after, "group": group(), "payload": "" })
}

fn chain() -> Value {
    let after = |id: u32| id.checked_sub(1).into_iter().collect::<Vec<u32>>();
    let steps: Vec<Value> = (0..CHAIN).map(|id| step(id, &after(id))).collect();
    json!({ "name": "bench-chain", "steps": steps })
}

fn fan_out(elements: u32) -> Value {
    let mut each = step(0, &[]);
    each["for_each"] = format!("lists.range({elements})").into();
    each["payload"] = "${index}".into();
    let join = json!({ "id": "join", "after": "s0", "noop": true });
    json!({ "name": "bench-fan-out", "steps": [each, join] })
}

fn diamond() -> Value {
    let last = DIAMOND - 1;
    let between: Vec<u32> = (1..last).collect();
    let mut steps = vec![step(0, &[])];
    steps.extend(between.iter().map(|id| step(*id, &[0])));
    steps.push(step(last, &between));
    json!({ "name": DIAMONDS, "steps": steps })
}

impl Report for Figures {
    fn sheet(&self) -> Sheet {
        let raw = self.raw_sync_ms;
        let times = |ended: f64, shown: f64| {
            format!("{ended:.2} times a plain task, {shown:.2} until the history shows it")
        };
        Sheet::of_fields([
            ("plain tasks", self.plain.words()),
            ("chain", self.chain.words()),
            (
                "  syncs",
                format!(
                    "{:.2} a step at most, and {} of the witness in all",
                    self.chain_records_per_step, self.chain_other_syncs
                ),
            ),
            ("fan-out", self.elements.words()),
            ("", times(self.element_ratio, self.element_ratio_shown)),
            ("diamonds", self.diamonds.words()),
            ("", times(self.diamond_ratio, self.diamond_ratio_shown)),
            ("memory", format!("{:.0} MB", self.rss_bytes as f64 / 1e6)),
            (
                "raw sync p50 p99",
                format!("{:.2} {:.2} ms", raw.p50, raw.p99),
            ),
        ])
    }

    fn ids(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use capataz_workflow::Workflow;

    use super::*;

    #[test]
    fn what_is_measured_are_workflows() {
        for definition in [chain(), fan_out(100_000), diamond()] {
            Workflow::parse(&definition.to_string()).expect("a workflow");
        }
    }
}

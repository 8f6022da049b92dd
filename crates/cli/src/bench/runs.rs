//! `bench runs`: what a step of a run costs, beside a plain task.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use capataz_api::client::ClientError;
use capataz_api::rest::StartRunRequest;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

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
/// Calls that start runs at the same time.
const IN_FLIGHT: u32 = 64;
/// How long one part may take.
const PATIENCE: Duration = Duration::from_secs(600);

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
    /// Steps of the chain.
    pub(crate) chain: u32,
    /// One after the other, a second.
    pub(crate) chain_steps_per_s: f64,
    /// Syncs of the journal for each step of the chain.
    pub(crate) chain_syncs_per_step: f64,
    /// Elements of the fan-out.
    pub(crate) elements: u32,
    /// From the start of the run to its end, its join included, a second.
    pub(crate) elements_per_s: f64,
    /// Runs of a diamond at once.
    pub(crate) diamonds: u32,
    /// Their steps, a second, from the first call to the last end.
    pub(crate) diamond_steps_per_s: f64,
    /// Plain tasks, as many as the diamonds have steps, from the first call to the last end.
    pub(crate) plain_tasks_per_s: f64,
    /// How many times as long a step of a diamond takes as a plain task.
    pub(crate) diamond_ratio: f64,
    /// The same for an element of the fan-out.
    pub(crate) element_ratio: f64,
    /// Resident memory of the server at the end.
    pub(crate) rss_bytes: u64,
    /// One append of 4 KiB and its sync on the same disk, at the start and at the end.
    pub(crate) raw_sync_ms: SyncMillis,
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
    let steps = plan.diamonds * DIAMOND;
    say(format_args!("bench: {steps} plain tasks"));
    let plain_tasks_per_s = plain(&trial, steps.into()).await?;
    say(format_args!("bench: a chain of {CHAIN} steps"));
    let syncs = trial.stats().await?.journal.syncs;
    let chain_s = one(&trial, chain()).await?;
    let syncs = trial.stats().await?.journal.syncs - syncs;
    say(format_args!("bench: a fan-out of {}", plan.elements));
    let fan_s = one(&trial, fan_out(plan.elements)).await?;
    say(format_args!(
        "bench: {} diamonds of {DIAMOND} steps",
        plan.diamonds
    ));
    let diamonds_s = diamonds(&trial, plan.diamonds).await?;
    let rss_bytes = trial.memory()?.rss_bytes;
    for worker in workers {
        worker.stop().await;
    }
    let raw_sync_ms = trial.measure_disk()?;
    trial.stop().await;
    let elements_per_s = f64::from(plan.elements) / fan_s;
    let diamond_steps_per_s = f64::from(steps) / diamonds_s;
    Ok(Figures {
        chain: CHAIN,
        chain_steps_per_s: f64::from(CHAIN) / chain_s,
        chain_syncs_per_step: syncs as f64 / f64::from(CHAIN),
        elements: plan.elements,
        elements_per_s,
        diamonds: plan.diamonds,
        diamond_steps_per_s,
        plain_tasks_per_s,
        diamond_ratio: plain_tasks_per_s / diamond_steps_per_s,
        element_ratio: plain_tasks_per_s / elements_per_s,
        rss_bytes,
        raw_sync_ms,
    })
}

/// Submits tasks and waits for them: how many a second.
async fn plain(trial: &Trial, tasks: u64) -> Result<f64, TrialError> {
    let recipe = recipe();
    let begun = Instant::now();
    recipe.load(&trial.client, 0, tasks).await?;
    trial.until(|counts| counts.ended() >= tasks).await?;
    Ok(tasks as f64 / begun.elapsed().as_secs_f64())
}

/// Starts one run and waits for its end: how many seconds it took.
async fn one(trial: &Trial, definition: Value) -> Result<f64, TrialError> {
    let begun = Instant::now();
    let request = StartRunRequest {
        definition: Some(definition),
        ..StartRunRequest::default()
    };
    let started = trial.client.start_run(&request).await?;
    wait(trial, &started.id).await?;
    Ok(begun.elapsed().as_secs_f64())
}

async fn wait(trial: &Trial, run: &str) -> Result<(), TrialError> {
    trial.client.wait_run(run, Some(PATIENCE), |_| {}).await?;
    Ok(())
}

/// Starts many runs at once and waits for all of them: how many seconds it took.
async fn diamonds(trial: &Trial, count: u32) -> Result<f64, TrialError> {
    let definition = diamond();
    trial
        .client
        .put_workflow("bench-diamond", &definition)
        .await?;
    let request = StartRunRequest {
        workflow: Some("bench-diamond".to_owned()),
        ..StartRunRequest::default()
    };
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for caller in 0..IN_FLIGHT {
        let (client, request) = (trial.client.clone(), request.clone());
        let own = (caller..count).step_by(IN_FLIGHT as usize);
        calls.spawn(async move {
            let mut started = Vec::new();
            for _ in own {
                started.push(client.start_run(&request).await?.id);
            }
            Ok::<_, ClientError>(started)
        });
    }
    while let Some(started) = calls.join_next().await {
        for run in started?? {
            wait(trial, &run).await?;
        }
    }
    Ok(begun.elapsed().as_secs_f64())
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
    json!({ "name": "bench-diamond", "steps": steps })
}

impl Report for Figures {
    fn sheet(&self) -> Sheet {
        let raw = self.raw_sync_ms;
        Sheet::of_fields([
            (
                "chain",
                format!(
                    "{:.0} steps/s, {:.2} syncs a step",
                    self.chain_steps_per_s, self.chain_syncs_per_step
                ),
            ),
            (
                "fan-out",
                format!(
                    "{:.0} elements/s of {}, {:.2} times a plain task",
                    self.elements_per_s, self.elements, self.element_ratio
                ),
            ),
            (
                "diamonds",
                format!(
                    "{:.0} steps/s of {} runs, {:.2} times a plain task",
                    self.diamond_steps_per_s, self.diamonds, self.diamond_ratio
                ),
            ),
            ("plain tasks", format!("{:.0}/s", self.plain_tasks_per_s)),
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

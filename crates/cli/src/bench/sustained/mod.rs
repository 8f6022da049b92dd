//! `bench sustained`: tasks that come at a fixed rate, whether the machine can take them or not.
//!
//! Each task is due at a time of its own, and its latency counts from then: a submit that had to
//! wait because an earlier one was slow was late, and that is not left out.

mod figures;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use capataz_api::client::{Client, ClientError};
use capataz_api::limits::{BATCH_TASKS, LIST_LIMIT};
use capataz_api::proto::TaskSpec;
use capataz_api::rest::TasksQuery;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::figures::LatencyMillis;
use super::recipe::{PAYLOAD_BYTES, Recipe};
use super::spread::Spread;
use super::trial::{Trial, TrialError};
use super::worker::{TIMED, now};
use crate::quantiles::Quantiles;
use crate::talk::say;
use figures::{Figures, Growth, Lag};

/// How often the client hands over what has become due.
const TICK: Duration = Duration::from_millis(5);
/// How often the server is asked how it does.
const LOOK: Duration = Duration::from_millis(250);
/// How often a task is sent that tells when it was started.
const TIMED_EVERY: Duration = Duration::from_millis(100);
/// Tasks that may wait for their acknowledgement: with more, latencies say nothing but that the
/// rate is too high, and the client's memory fills.
const WAITING_MAX: u64 = 4_000_000;
/// When the memory of the start is read: as a part of all looks, after caches have been filled.
const START_PART: f64 = 0.1;

/// How much is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Sustained {
    /// Tasks a second.
    pub(crate) rate: u64,
    /// For how long.
    pub(crate) seconds: u64,
    /// Worker processes.
    pub(crate) workers: u32,
    /// Slots of each worker's pod.
    pub(crate) slots: u32,
    /// Where the server's data goes; a temporary folder otherwise.
    pub(crate) data_dir: Option<PathBuf>,
}

/// Measures it, on a server and workers of its own.
pub(crate) async fn measure(plan: Sustained) -> Result<Figures, TrialError> {
    let mut trial = Trial::start(plan.data_dir.clone(), Vec::new()).await?;
    let recipe = Recipe::of_groups("bench-sustained", 1);
    let slots = plan.slots.to_string();
    let mut workers = Vec::new();
    for number in 1..=plan.workers {
        let name = format!("bench-{number}");
        let arguments = ["bench-worker", "--name", &name, "--slots", &slots];
        let groups = ["--group", &recipe.groups[0], "--group", TIMED];
        workers.push(trial.start_worker(&name, &[&arguments[..], &groups].concat())?);
    }
    trial.joined(&mut workers, plan.workers.into()).await?;
    say(format_args!(
        "bench: {} tasks a second for {} seconds",
        plan.rate, plan.seconds
    ));
    let (all_sent, no_more) = watch::channel(false);
    let (over, ending) = watch::channel(false);
    let observer = observe(trial.another_client()?, ending);
    let timed = send_timed(trial.another_client()?, no_more);
    let begun = Instant::now();
    let submitted = submit_all(&trial.client, &recipe, &plan).await?;
    let submitted_s = begun.elapsed().as_secs_f64();
    all_sent.send_replace(true);
    let timed = timed.await??;
    let ended = trial.until(|counts| counts.live() == 0).await?;
    let ended_s = begun.elapsed().as_secs_f64();
    trial.caught_up().await?;
    let projected_s = begun.elapsed().as_secs_f64();
    over.send_replace(true);
    let seen = observer.await??;
    let total = plan.rate * plan.seconds;
    let start_ms = starts(&trial, timed).await?;
    trial.still_runs()?;
    for worker in workers {
        worker.stop().await;
    }
    let memory_end = trial.memory()?.rss_bytes;
    let raw_sync_ms = trial.measure_disk()?;
    trial.stop().await;
    Ok(Figures {
        rate: plan.rate,
        seconds: plan.seconds,
        workers: plan.workers,
        slots: plan.slots,
        payload_bytes: PAYLOAD_BYTES,
        tasks: ended.ended(),
        submitted_per_s: total as f64 / submitted_s,
        ended_per_s: total as f64 / ended_s,
        projected_per_s: total as f64 / projected_s,
        submit_ms: LatencyMillis::from(&submitted),
        submit_max_ms: submitted.at(1.0),
        start_ms,
        history_lag_s: Lag {
            p50: seen.lag.at(0.5),
            p99: seen.lag.at(0.99),
            max: seen.lag.at(1.0),
        },
        rss_bytes: Growth {
            start: seen.memory_at(START_PART),
            middle: seen.memory_at(0.5),
            end: memory_end,
        },
        raw_sync_ms,
    })
}

/// Submits every task when it is due, and returns how late each was acknowledged.
async fn submit_all(
    client: &Client,
    recipe: &Recipe,
    plan: &Sustained,
) -> Result<Spread, TrialError> {
    let spread = Arc::new(Mutex::new(Spread::default()));
    let total = plan.rate * plan.seconds;
    let mut sent = 0;
    let mut under_way: JoinSet<Result<u64, ClientError>> = JoinSet::new();
    let mut acknowledged = 0;
    let mut tick = tokio::time::interval(TICK);
    let begun = Instant::now();
    let due_at = |number: u64, rate: u64| Duration::from_secs_f64(number as f64 / rate as f64);
    while sent < total {
        tick.tick().await;
        let due = (begun.elapsed().as_nanos() * u128::from(plan.rate) / 1_000_000_000) as u64;
        while sent < due.min(total) {
            let numbers = sent..due.min(total).min(sent + BATCH_TASKS as u64);
            sent = numbers.end;
            let (client, recipe, spread) = (client.clone(), recipe.clone(), Arc::clone(&spread));
            let rate = plan.rate;
            under_way.spawn(async move {
                let batch = numbers.clone().map(|number| recipe.task(number)).collect();
                client.submit_batch(batch).await?;
                let after = begun.elapsed();
                let mut spread = spread.lock().expect("nobody panics with it");
                for number in numbers.clone() {
                    let late = after.saturating_sub(due_at(number, rate));
                    spread.add(late.as_secs_f64() * 1e3);
                }
                Ok(numbers.end - numbers.start)
            });
        }
        while let Some(ended) = under_way.try_join_next() {
            acknowledged += ended??;
        }
        if sent - acknowledged > WAITING_MAX {
            return Err(TrialError::Overrun {
                waiting: sent - acknowledged,
                rate: plan.rate,
            });
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended??;
    }
    let spread = spread.lock().expect("nobody panics with it").clone();
    Ok(spread)
}

/// What was seen of the server while it worked.
#[derive(Default)]
struct Seen {
    lag: Quantiles,
    memory: Vec<u64>,
}

impl Seen {
    fn memory_at(&self, part: f64) -> u64 {
        let place = (self.memory.len() as f64 * part) as usize;
        self.memory.get(place).copied().unwrap_or_default()
    }
}

fn observe(client: Client, over: watch::Receiver<bool>) -> JoinHandle<Result<Seen, ClientError>> {
    tokio::spawn(async move {
        let mut seen = Seen::default();
        while !*over.borrow() {
            let stats = client
                .stats(&capataz_api::rest::StatsQuery::default())
                .await?;
            seen.lag.add(stats.journal.lag.0 as f64 / 1e6);
            seen.memory.push(stats.resident_bytes);
            tokio::time::sleep(LOOK).await;
        }
        Ok(seen)
    })
}

/// Sends a task now and then that answers when it was started; as many as it sent.
fn send_timed(client: Client, over: watch::Receiver<bool>) -> JoinHandle<Result<u64, ClientError>> {
    tokio::spawn(async move {
        let mut sent = 0;
        let mut tick = tokio::time::interval(TIMED_EVERY);
        while !*over.borrow() && sent < LIST_LIMIT as u64 {
            tick.tick().await;
            let task = TaskSpec {
                group: TIMED.to_owned(),
                payload: Some(now().to_string().into_bytes().into()),
                ..TaskSpec::default()
            };
            client.submit(task).await?;
            sent += 1;
        }
        Ok(sent)
    })
}

/// From a submit to the start of its handler, as the timed tasks answered.
async fn starts(trial: &Trial, sent: u64) -> Result<LatencyMillis, TrialError> {
    let position = trial.stats().await?.journal.position;
    let query = TasksQuery {
        group: Some(TIMED.to_owned()),
        limit: Some((sent as usize).clamp(1, LIST_LIMIT)),
        position: Some(position),
        ..TasksQuery::default()
    };
    let mut millis = Quantiles::default();
    for task in trial.client.list(&query).await?.items {
        let output = task.output.as_ref().and_then(|output| output.as_text());
        let text = output.unwrap_or_default();
        let nanoseconds: u64 = text.parse().map_err(|_| TrialError::NoTime {
            got: text.to_owned(),
        })?;
        millis.add(nanoseconds as f64 / 1e6);
    }
    Ok(LatencyMillis::from(&millis))
}

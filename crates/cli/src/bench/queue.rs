//! The measurements of `bench queue`, one after the other on one server.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use capataz_api::client::{Client, ClientConfig, ClientError, Ids};
use capataz_api::limits::BATCH_TASKS;
use capataz_api::proto::TaskSpec;
use capataz_api::rest::StatsQuery;

use super::figures::{CallMillis, Figures};
use super::latency;
use super::worker::DRAINED;
use crate::doctor::sync::{self, SyncMillis};
use crate::failure::Told;
use crate::local::{LocalError, Process, Server};
use crate::quantiles::Quantiles;
use crate::talk::say;

/// Submits of one client, each waiting for the one before.
const ONE_BY_ONE: u64 = 500;
/// Submits in flight at once, in the second measurement.
const IN_FLIGHT: u64 = 64;
/// Submits of that measurement.
const IN_FLIGHT_TASKS: u64 = 20_000;
/// Batches under way at once: one is read while another is synced.
const BATCHES_IN_FLIGHT: usize = 4;
/// Bytes of the payload of each of them, distinct.
const PAYLOAD_BYTES: usize = 100;
/// Elements of the array that is submitted.
const ARRAY_ELEMENTS: u32 = 1_000_000;
/// Tasks whose way to their handler is timed, one at a time.
const TIMED_TASKS: usize = 1_000;
/// The same after pauses, which take time.
const TIMED_AFTER_PAUSE: usize = 200;
/// Such a pause: processors sleep, and their caches are somebody else's.
const TIMED_PAUSE: Duration = Duration::from_millis(10);
/// Drained tasks whose times are looked up afterwards, evenly spread over all of them.
const DRAIN_SAMPLE: u64 = 1_000;
/// The group of tasks that are only submitted; no worker serves it.
const UNSERVED: &str = "bench-unserved";
/// How often stats are asked for while something is awaited.
const LOOK: Duration = Duration::from_millis(5);
/// How long workers may take to join.
const JOIN: Duration = Duration::from_secs(20);

/// How much is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Tasks that are queued and drained.
    pub(crate) tasks: u64,
    /// Worker processes.
    pub(crate) workers: u32,
    /// Slots of each worker's pod.
    pub(crate) slots: u32,
    /// Where the server's data goes; a temporary folder otherwise.
    pub(crate) data_dir: Option<PathBuf>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the disk cannot be measured: {0}")]
    Disk(#[from] std::io::Error),
    #[error("only {joined} of {workers} workers joined within {JOIN:?}; one said: {said}")]
    NoWorkers {
        joined: usize,
        workers: u32,
        said: String,
    },
    #[error("{failed} tasks that do nothing failed")]
    Failed { failed: u64 },
    #[error("a timed task answered {got:?}, which is no number of nanoseconds")]
    NoTime { got: String },
    #[error("a submission was lost by a bug: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

impl Told for BenchError {
    fn hint(&self) -> Option<String> {
        match self {
            BenchError::Local(error) => error.hint(),
            BenchError::Client(error) => error.hint(),
            BenchError::Disk(_) => Some("--data-dir names another folder".to_owned()),
            _ => None,
        }
    }
}

/// Measures everything, on a server and workers of its own.
pub(crate) async fn measure(load: Load) -> Result<Figures, BenchError> {
    let mut server = Server::start(load.data_dir.as_deref()).await?;
    let mut raw = Quantiles::default();
    sync::measure(server.folder(), &mut raw)?;
    let client = Client::new(&ClientConfig {
        server: server.url().to_owned(),
        token: Some(server.token().to_owned()),
        ..ClientConfig::default()
    })?;
    let bench = Bench { client, load };
    say("bench: submitting one at a time");
    let one = bench.submit_in_flight(1, ONE_BY_ONE).await?;
    say("bench: submitting with 64 in flight");
    let in_flight = bench.submit_in_flight(IN_FLIGHT, IN_FLIGHT_TASKS).await?;
    say(format_args!(
        "bench: submitting {} in batches",
        bench.load.tasks
    ));
    let submit_array_ms = bench.submit_array().await?;
    bench.client.pause_group(DRAINED, true).await?;
    bench.caught_up().await?;
    let before = server.resident_bytes();
    let (batches, queued) = bench.submit_in_batches().await?;
    bench.caught_up().await?;
    let grown = server
        .resident_bytes()
        .zip(before)
        .map(|(now, was)| now.saturating_sub(was));
    say(format_args!(
        "bench: draining them with {} workers",
        bench.load.workers
    ));
    let mut workers = bench.start_workers(&server).await?;
    let (drain_per_s, history_lag_s) = bench.drain().await?;
    let drain_ms = CallMillis::from(&bench.lease_to_end(&queued).await?);
    say("bench: timing single tasks, one after the other");
    sync::measure(server.folder(), &mut raw)?;
    let timed = latency::time(&bench.client, TIMED_TASKS, Duration::ZERO).await?;
    let rested = latency::time(&bench.client, TIMED_AFTER_PAUSE, TIMED_PAUSE).await?;
    sync::measure(server.folder(), &mut raw)?;
    server.still_runs()?;
    for worker in &mut workers {
        worker.still_runs()?;
    }
    let syncs = bench
        .client
        .stats(&StatsQuery::default())
        .await?
        .journal
        .syncs;
    for worker in workers {
        worker.stop().await;
    }
    let Bench { client, load } = bench;
    // Its connections would keep the server from ending.
    drop(client);
    server.stop().await;
    let Load {
        tasks,
        workers,
        slots,
        ..
    } = load;
    Ok(Figures {
        tasks,
        workers,
        slots,
        submit_one_per_s: one.per_s,
        submit_one_ms: CallMillis::from(&one.millis),
        submit_64_in_flight_per_s: in_flight.per_s,
        submit_64_in_flight_ms: CallMillis::from(&in_flight.millis),
        submit_batch_per_s: batches.per_s,
        submit_batch_ms: CallMillis::from(&batches.millis),
        submit_array_ms,
        drain_per_s,
        drain_ms,
        latency_ms: timed.start,
        latency_after_pause_ms: rested.start,
        round_trip_ms: timed.round_trip,
        history_lag_s,
        rss_bytes_per_queued_task: grown.map(|bytes| bytes as f64 / tasks as f64),
        syncs,
        raw_sync_ms: SyncMillis::from(&raw),
    })
}

/// Calls of one kind.
struct Calls {
    /// Tasks that they brought in a second.
    per_s: f64,
    /// Milliseconds of each, from the call to its answer.
    millis: Quantiles,
}

struct Bench {
    client: Client,
    load: Load,
}

/// A task that does nothing.
fn empty(group: &str) -> TaskSpec {
    TaskSpec {
        group: group.to_owned(),
        ..TaskSpec::default()
    }
}

/// A task that does nothing, with a payload that no other one has.
fn numbered(number: u64) -> TaskSpec {
    TaskSpec {
        payload: Some(format!("{number:0>PAYLOAD_BYTES$}").into()),
        ..empty(DRAINED)
    }
}

fn per_second(count: u64, begun: Instant) -> f64 {
    count as f64 / begun.elapsed().as_secs_f64()
}

fn millis_since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

impl Bench {
    /// Submits `total` tasks singly from `clients` callers, each waiting for its answer.
    async fn submit_in_flight(&self, clients: u64, total: u64) -> Result<Calls, BenchError> {
        let begun = Instant::now();
        let callers: Vec<_> = (0..clients)
            .map(|_| {
                let client = self.client.clone();
                tokio::spawn(async move {
                    let mut millis = Quantiles::default();
                    for _ in 0..total / clients {
                        let begun = Instant::now();
                        client.submit(empty(UNSERVED)).await?;
                        millis.add(millis_since(begun));
                    }
                    Ok::<_, ClientError>(millis)
                })
            })
            .collect();
        let mut millis = Quantiles::default();
        for caller in callers {
            millis.join(caller.await??);
        }
        let per_s = per_second(total / clients * clients, begun);
        Ok(Calls { per_s, millis })
    }

    /// Queues all tasks in the largest batches there are, and returns their ids too.
    async fn submit_in_batches(&self) -> Result<(Calls, Vec<Ids>), BenchError> {
        let (mut millis, mut queued) = (Quantiles::default(), Vec::new());
        let begun = Instant::now();
        let mut left = self.load.tasks;
        let mut under_way = tokio::task::JoinSet::new();
        while left > 0 || !under_way.is_empty() {
            if left > 0 && under_way.len() < BATCHES_IN_FLIGHT {
                let size = left.min(BATCH_TASKS as u64);
                left -= size;
                let client = self.client.clone();
                let batch = (left..left + size).map(numbered).collect();
                under_way.spawn(async move {
                    let begun = Instant::now();
                    let accepted = client.submit_batch(batch).await?;
                    Ok::<_, ClientError>((accepted.ids, millis_since(begun)))
                });
            } else if let Some(ended) = under_way.join_next().await {
                let (ids, taken) = ended??;
                queued.push(ids);
                millis.add(taken);
            }
        }
        let per_s = per_second(self.load.tasks, begun);
        Ok((Calls { per_s, millis }, queued))
    }

    /// Submits one large array to a group that no worker serves, and says how long it took.
    async fn submit_array(&self) -> Result<f64, BenchError> {
        let array = TaskSpec {
            count: Some(ARRAY_ELEMENTS),
            ..empty(UNSERVED)
        };
        let begun = Instant::now();
        self.client.submit(array).await?;
        Ok(millis_since(begun))
    }

    /// Waits until the history is where the journal ends, and says how long that took.
    async fn caught_up(&self) -> Result<Duration, BenchError> {
        let begun = Instant::now();
        let query = StatsQuery::default();
        let end = self.client.stats(&query).await?.journal.position;
        while self.client.stats(&query).await?.journal.store_position < end {
            tokio::time::sleep(LOOK).await;
        }
        Ok(begun.elapsed())
    }

    /// Starts the workers and waits until all of them have joined.
    async fn start_workers(&self, server: &Server) -> Result<Vec<Process>, BenchError> {
        let slots = self.load.slots.to_string();
        let start = |number: u32| {
            let name = format!("bench-{number}");
            server.join(&name, &["bench-worker", "--name", &name, "--slots", &slots])
        };
        let mut workers = (1..=self.load.workers)
            .map(start)
            .collect::<Result<Vec<_>, _>>()?;
        let begun = Instant::now();
        loop {
            for worker in &mut workers {
                worker.still_runs()?;
            }
            let joined = self.client.workers().await?.len();
            if joined >= workers.len() {
                return Ok(workers);
            }
            if begun.elapsed() > JOIN {
                let said = workers.first().map(Process::said).unwrap_or_default();
                return Err(BenchError::NoWorkers {
                    joined,
                    workers: self.load.workers,
                    said,
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Lets the queued tasks go: how many end in a second, and how long the history takes to show
    /// the last of them.
    async fn drain(&self) -> Result<(f64, f64), BenchError> {
        let query = StatsQuery {
            group: Some(DRAINED.to_owned()),
            tag: None,
        };
        let begun = Instant::now();
        self.client.pause_group(DRAINED, false).await?;
        loop {
            let stats = self.client.stats(&query).await?;
            let counts = stats
                .groups
                .first()
                .map(|group| group.counts)
                .unwrap_or_default();
            if counts.failed > 0 {
                return Err(BenchError::Failed {
                    failed: counts.failed,
                });
            }
            if counts.ended() >= self.load.tasks {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        let rate = per_second(self.load.tasks, begun);
        Ok((rate, self.caught_up().await?.as_secs_f64()))
    }
    /// How long a sample of the drained tasks took, once the history shows them.
    async fn lease_to_end(&self, drained: &[Ids]) -> Result<Quantiles, BenchError> {
        let stride = (self.load.tasks / DRAIN_SAMPLE).max(1) as usize;
        let sample = drained.iter().flat_map(Ids::numbers).step_by(stride);
        latency::lease_to_end(&self.client, sample).await
    }
}

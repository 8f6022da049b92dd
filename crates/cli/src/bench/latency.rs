//! The way of single tasks: one after the other with nothing else on its way, or as the history
//! remembers it.

use std::time::{Duration, Instant};

use capataz_api::client::Client;
use capataz_api::limits::LIST_LIMIT;
use capataz_api::proto::TaskSpec;
use capataz_api::rest::{TasksQuery, WaitRequest};

use super::figures::LatencyMillis;
use super::queue::BenchError;
use super::worker::{TIMED, now};
use crate::quantiles::Quantiles;

/// Tasks that go the way first and are not counted: connections, caches.
const WARM_UP: usize = 50;

/// How long single tasks took.
pub(crate) struct Timed {
    /// From the submit to the start of the handler in another process.
    pub(crate) start: LatencyMillis,
    /// From the submit until its caller has heard of the end.
    pub(crate) round_trip: LatencyMillis,
}

/// Submits single tasks that carry the time of their submit, each `pause` after its caller heard of
/// the end of the one before. Their outputs say how long they took to reach their handlers.
pub(crate) async fn time(
    client: &Client,
    tasks: usize,
    pause: Duration,
) -> Result<Timed, BenchError> {
    let mut position = 0;
    let mut round_trip = Quantiles::default();
    for number in 0..WARM_UP + tasks {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let begun = Instant::now();
        let id = client.submit(carrying_now()).await?.id;
        let request = WaitRequest {
            ids: vec![id],
            ..WaitRequest::default()
        };
        position = client.wait(request, None, |_| {}).await?.position;
        if number >= WARM_UP {
            round_trip.add(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(Timed {
        start: LatencyMillis::from(&starts(client, tasks, position).await?),
        round_trip: LatencyMillis::from(&round_trip),
    })
}

/// Milliseconds from the lease of each of these tasks to the record of its end, by the server's
/// clock and as its history has them: tasks that wait in a queue say nothing of their way before.
pub(crate) async fn lease_to_end(
    client: &Client,
    tasks: impl Iterator<Item = u64>,
) -> Result<Quantiles, BenchError> {
    let mut millis = Quantiles::default();
    for id in tasks {
        let task = client.show(&id.to_string()).await?.task;
        if let (Some(leased), Some(ended)) = (task.allocated_at, task.finished_at) {
            millis.add(ended.0.saturating_sub(leased.0) as f64 / 1e3);
        }
    }
    Ok(millis)
}

fn carrying_now() -> TaskSpec {
    TaskSpec {
        group: TIMED.to_owned(),
        payload: Some(now().to_string().into_bytes().into()),
        ..TaskSpec::default()
    }
}

/// What the newest `tasks` of the group say of their way, in milliseconds.
async fn starts(client: &Client, tasks: usize, position: u64) -> Result<Quantiles, BenchError> {
    let query = TasksQuery {
        group: Some(TIMED.to_owned()),
        limit: Some(tasks.min(LIST_LIMIT)),
        position: Some(position),
        ..TasksQuery::default()
    };
    let mut millis = Quantiles::default();
    for task in client.list(&query).await?.items {
        let output = task.output.as_ref();
        let text = output.and_then(|output| output.as_text());
        let text = text.unwrap_or_default();
        let nanoseconds: u64 = text.parse().map_err(|_| BenchError::NoTime {
            got: text.to_owned(),
        })?;
        millis.add(nanoseconds as f64 / 1e6);
    }
    Ok(millis)
}

//! Single submits beside whatever else goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use capataz_api::client::{Client, ClientError};
use capataz_api::proto::TaskSpec;
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::bench::figures::LatencyMillis;
use crate::bench::trial::TrialError;
use crate::quantiles::Quantiles;

/// How long one probes when nothing else is under way.
pub(super) const IDLE: Duration = Duration::from_secs(3);

/// Between an acknowledgement and the next submit: the probe is to see the load, not to be it.
const PAUSE: Duration = Duration::from_millis(2);

/// The group of the probes; no worker serves it.
const UNSERVED: &str = "bench-probe";

/// A caller that submits one task after the other.
pub(super) struct Probe {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<Quantiles, ClientError>>,
}

/// What single submits took, with as many as there were.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Submit {
    #[serde(flatten)]
    pub(crate) millis: LatencyMillis,
    pub(crate) max: f64,
    pub(crate) submits: u64,
}

impl Probe {
    pub(super) fn start(client: Client) -> Probe {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut millis = Quantiles::default();
            // At least one: a phase may be over before it can be looked at.
            loop {
                let task = TaskSpec {
                    group: UNSERVED.to_owned(),
                    ..TaskSpec::default()
                };
                let begun = Instant::now();
                client.submit(task).await?;
                millis.add(begun.elapsed().as_secs_f64() * 1e3);
                if stopped.load(Ordering::Relaxed) {
                    return Ok(millis);
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Probe { stop, task }
    }

    pub(super) async fn end(self) -> Result<Submit, TrialError> {
        self.stop.store(true, Ordering::Relaxed);
        let millis = self.task.await??;
        Ok(Submit {
            millis: LatencyMillis::from(&millis),
            max: millis.at(1.0),
            submits: millis.count(),
        })
    }
}

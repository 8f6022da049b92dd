//! What every handler works with, and the two waits that most of them need.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use capataz_api::problem::{Code, Problem};
use capataz_api::proto::TaskSpec;
use capataz_api::rest::Changed;
use capataz_engine::{Command, TaskId};
use capataz_journal::Position;
use prost::Message;
use tokio::sync::watch;

use super::known::KnownWorkflows;
use super::pace::Pace;
use super::refusal::{Answer, ProblemResponse};
use super::request::Once;
use crate::namespace::{Gauges, Namespace};
use crate::store::{ReadError, Reader};

/// How long a read waits for the store to reach the position that it asks for.
pub(crate) const STORE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a list waits that names no position.
const BRIEFLY: Duration = Duration::from_millis(500);

/// What every handler works with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) namespace: Namespace,
    pub(super) lease_ttl: Duration,
    /// Turns true when the server stops: what waits then ends at once.
    pub(super) stop: watch::Receiver<bool>,
    pub(super) pace: Arc<Pace>,
    pub(super) workflows: Arc<KnownWorkflows>,
}

impl Context {
    /// Carries out a command that only says whether it was done.
    pub(super) async fn change(&self, once: Once, command: Command) -> Answer<Json<Changed>> {
        let called = self.namespace.call(once.wrap(command)).await?;
        Ok(Json(Changed {
            position: called.position.get(),
        }))
    }

    /// Reads the store on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ProblemResponse> {
        let store = self.namespace.store().clone();
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(result) => Ok(result?),
            Err(error) => Err(panicked(&error).into()),
        }
    }

    /// Waits until the store shows everything below a position that some answer named.
    pub(super) async fn await_store(&self, position: Position) -> Result<(), ProblemResponse> {
        let shown = *self.namespace.watch_projected().borrow();
        let tail = Gauges::get(&self.namespace.gauges().journal_position).max(shown.get());
        if position.get() > tail {
            let detail = format!("position is {position}, but the journal ends at {tail}");
            let problem = Problem::new(Code::OutOfRange, detail).field("position");
            return Err(problem.limit(format!("0 to {tail}")).got(position).into());
        }
        if self.namespace.projected(position, STORE_PATIENCE).await {
            return Ok(());
        }
        let shown = *self.namespace.watch_projected().borrow();
        let detail = format!("the store is at position {shown}, {position} was asked for");
        Err(Problem::new(Code::StoreBehind, detail)
            .retry_after(1)
            .into())
    }

    /// Waits until the store shows everything that is durable now, and says how far that is.
    pub(super) async fn catch_up(&self) -> Result<Position, ProblemResponse> {
        let ((), position) = self.namespace.query(|_| ()).await?;
        self.await_store(position).await?;
        Ok(position)
    }

    /// Waits a moment for the store to show everything that is durable now: who has just submitted
    /// a task finds it in a list, and a store that lags does not hold lists up.
    pub(super) async fn catch_up_briefly(&self) -> Result<(), ProblemResponse> {
        let ((), position) = self.namespace.query(|_| ()).await?;
        self.namespace.projected(position, BRIEFLY).await;
        Ok(())
    }

    /// What was submitted, as the store has it.
    pub(super) async fn spec(&self, task: TaskId) -> Result<TaskSpec, ProblemResponse> {
        let store = self.namespace.store().clone();
        let bodies = tokio::task::spawn_blocking(move || store.bodies(&[task])).await;
        let bodies = bodies.map_err(|error| panicked(&error))?;
        let body = bodies?
            .into_iter()
            .next()
            .map(|(_, body)| body)
            .unwrap_or_default();
        TaskSpec::decode(body).map_err(|error| {
            tracing::error!(%task, %error, "the spec of a task is damaged");
            Problem::new(
                Code::Internal,
                format!("the spec of task {task} is damaged"),
            )
            .into()
        })
    }

    /// Returns when the server stops.
    pub(super) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // An error says that the server is gone, which is as good.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// The answer to whoever waits while the server stops.
    pub(super) fn stopping() -> Problem {
        Problem::new(
            Code::Unavailable,
            "the server is stopping; nothing was done",
        )
        .retry_after(1)
    }
}

fn panicked(error: &tokio::task::JoinError) -> Problem {
    tracing::error!(%error, "reading the store panicked");
    Problem::new(
        Code::Internal,
        "reading the store failed; the server's log says why",
    )
}

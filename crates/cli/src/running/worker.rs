//! A worker in this process, whose attempts are child processes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use capataz_worker::process::{
    Claim, ClaimError, LaunchError, ProcessConfig, ProcessExecutor, default_state_dir,
};
use capataz_worker::session::{
    GrpcConnect, ServerAddressError, Session, SessionError, SessionHandle, SessionOptions,
};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

use crate::failure::Told;
use crate::stop::Stops;
use crate::talk::say;

/// Why there is no worker, or none any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error("no group is named")]
    NoGroup,
    #[error("no pod is named")]
    NoPod,
    #[error("nothing is named that may run")]
    NoCommand,
    #[error("the worker's name cannot be had: {0}")]
    Claim(#[from] ClaimError),
    #[error("the worker's guard cannot be started: {0}")]
    Launch(#[from] LaunchError),
    #[error("the server's address cannot be used: {0}")]
    Address(#[from] ServerAddressError),
    #[error("{0}")]
    Session(#[from] SessionError),
    #[error("what it executes cannot be written down: {0}")]
    Record(#[from] std::io::Error),
    #[error("the worker ended by a bug: {0}")]
    Panicked(#[from] JoinError),
}

impl Told for WorkerError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            WorkerError::NoGroup => "say which tasks it runs: --group NAME",
            WorkerError::NoPod => "say which slice of the machine it may use: --pod NAME",
            WorkerError::NoCommand => {
                "give it one command after `--`, or --allow-commands for those that tasks bring"
            }
            WorkerError::Claim(ClaimError::Taken { .. }) => "give it another --name",
            WorkerError::Claim(_) => "state_dir in [worker] names another folder",
            WorkerError::Address(ServerAddressError::Trust { .. }) => {
                "name the certificates to trust with --tls-ca or CAPATAZ_TLS_CA"
            }
            WorkerError::Address(_) => "write --server http://127.0.0.1:7117",
            WorkerError::Session(SessionError::Unauthorized { .. }) => {
                "CAPATAZ_TOKEN is the token: a worker's, made with `capataz token create --role worker \
                 --group NAME`; the first admin's is in DATA_DIR/admin-token"
            }
            WorkerError::Session(SessionError::Replaced { .. }) => {
                "two workers need two names: --name"
            }
            WorkerError::Launch(_)
            | WorkerError::Session(_)
            | WorkerError::Record(_)
            | WorkerError::Panicked(_) => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}

/// A worker that is to be.
pub(crate) struct WorkerPlan {
    /// What it says of itself.
    pub(crate) session: SessionOptions,
    /// How it runs processes.
    pub(crate) process: ProcessConfig,
    /// Where it notes what it runs; the user's own folder otherwise.
    pub(crate) state_dir: Option<PathBuf>,
}

/// A worker at work.
pub(crate) struct Running {
    handle: SessionHandle,
    task: JoinHandle<Result<(), SessionError>>,
    executor: Arc<ProcessExecutor>,
}

/// Starts a worker for the server at `url`; it goes on trying while that does not answer.
pub(crate) async fn begin(
    plan: WorkerPlan,
    url: &str,
    token: Option<&str>,
    tls_ca: Option<&Path>,
) -> Result<Running, WorkerError> {
    let connect = GrpcConnect::trusting(tls_ca, [url], token)?;
    let state_dir = plan.state_dir.unwrap_or_else(default_state_dir);
    let name = plan.session.name.clone();
    let runtime = Handle::current();
    let executor = tokio::task::spawn_blocking(move || -> Result<_, WorkerError> {
        let claim = Claim::take(&state_dir, &name)?;
        Ok(ProcessExecutor::new(plan.process, claim, &runtime)?)
    });
    let executor = Arc::new(executor.await??);
    let (session, handle) = Session::new(plan.session, executor.clone(), connect);
    let task = tokio::spawn(session.run());
    Ok(Running {
        handle,
        task,
        executor,
    })
}

impl Running {
    /// Gives orders to it.
    pub(crate) fn handle(&self) -> SessionHandle {
        self.handle.clone()
    }

    /// Waits until it has ended, or was told to stop and has: the first signal drains it with
    /// `patience`, the second stops it at once.
    pub(crate) async fn until_stopped(
        self,
        stops: &mut Stops,
        patience: Option<Duration>,
    ) -> Result<(), WorkerError> {
        let handle = self.handle();
        let mut ended = std::pin::pin!(self.ended());
        tokio::select! {
            ended = &mut ended => return ended,
            () = stops.next() => {}
        }
        say("capataz: finishing what runs; once more to stop at once");
        handle.drain(patience);
        loop {
            tokio::select! {
                ended = &mut ended => return ended,
                () = stops.next() => handle.stop_now(),
            }
        }
    }

    /// Waits until it has ended, which it does when it was told to or is refused, and until nothing
    /// of it is left.
    pub(crate) async fn ended(self) -> Result<(), WorkerError> {
        let ended = self.task.await?;
        if let Ok(executor) = Arc::try_unwrap(self.executor) {
            executor.shut_down().await;
        }
        Ok(ended?)
    }
}

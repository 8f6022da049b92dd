//! A worker at work.

use std::time::Duration;

use capataz_worker::session::{SessionError, SessionHandle, Status};
use tokio::task::JoinHandle;

/// A worker that was started. Dropping it lets the worker run on; [`RunningWorker::drain`] ends
/// it.
#[derive(Debug)]
#[must_use = "keep it to end the worker, or drop it knowingly"]
pub struct RunningWorker {
    handle: SessionHandle,
    session: JoinHandle<Result<(), SessionError>>,
}

impl RunningWorker {
    pub(super) fn new(
        handle: SessionHandle,
        session: JoinHandle<Result<(), SessionError>>,
    ) -> RunningWorker {
        RunningWorker { handle, session }
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.handle.status()
    }

    /// Waits until it has joined; false when it ended without.
    pub async fn joined(&self) -> bool {
        self.handle.joined().await
    }

    /// Replaces the affinity keys that it announces.
    pub fn announce(&self, keys: impl IntoIterator<Item = impl Into<String>>) {
        self.handle
            .announce(keys.into_iter().map(Into::into).collect());
    }

    /// Ends it in an orderly way: nothing new is started, what runs comes to its end, and results
    /// are handed over. Attempts that still run when `patience` is over are stopped, and their
    /// tasks go back to their queues. Returns at once; [`RunningWorker::ended`] waits.
    pub fn drain(&self, patience: Option<Duration>) {
        self.handle.drain(patience);
    }

    /// Ends it and what it runs at once.
    pub fn stop_now(&self) {
        self.handle.stop_now();
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// [`SessionError`] when the server refuses it for good.
    pub async fn ended(self) -> Result<(), SessionError> {
        match self.session.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                // Handlers' panics do not get here: this one is a defect of the session.
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down and takes everything with it.
                Err(_) => Ok(()),
            },
        }
    }
}

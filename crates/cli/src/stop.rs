//! The wish to stop: SIGTERM or Ctrl-C, once or twice.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Told;

/// The system gives no signals to this process.
#[derive(Debug, thiserror::Error)]
#[error("signals cannot be received: {0}")]
pub(crate) struct NoSignals(std::io::Error);

impl Told for NoSignals {}

/// SIGTERM and SIGINT, as they come.
pub(crate) struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    /// From now on those signals do not end the process by themselves.
    pub(crate) fn listen() -> Result<Stops, NoSignals> {
        let terminate = signal(SignalKind::terminate()).map_err(NoSignals)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(NoSignals)?;
        Ok(Stops {
            terminate,
            interrupt,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The wish to read certificates again: SIGHUP.
pub(crate) struct Renewals(Signal);

impl Renewals {
    /// From now on that signal does not end the process.
    pub(crate) fn listen() -> Result<Renewals, NoSignals> {
        signal(SignalKind::hangup())
            .map(Renewals)
            .map_err(NoSignals)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        let _ = self.0.recv().await;
    }
}

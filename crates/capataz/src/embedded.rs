//! A master in the caller's process.

use std::fmt;
use std::path::PathBuf;

use capataz_api::client::{Client, ClientConfig, ClientError};
use capataz_server::namespace::NamespaceOptions;
use capataz_server::{Local, StartError};

use crate::worker::{Worker, WorkerBuilder};

/// Why an embedded master does not open.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The master does not start.
    #[error(transparent)]
    Start(#[from] Box<StartError>),
    /// Its client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Says where an embedded master keeps its data.
#[derive(Debug, Default)]
#[must_use = "an embedded master begins with `open`"]
pub struct EmbeddedBuilder {
    data_dir: Option<PathBuf>,
}

/// A master in this process: engine, journal and store, without a socket, an address or a token.
/// Its clients and workers are the same as those of any other master; what they say reaches it as
/// calls of a function.
///
/// Dropping it stops it without waiting for workers; what was acknowledged is safe all the same.
/// It blocks the thread until the files are closed: in async code rather use [`Embedded::close`].
pub struct Embedded {
    client: Client,
    local: Local,
}

impl Embedded {
    /// A master in memory, unless a folder is named.
    pub fn builder() -> EmbeddedBuilder {
        EmbeddedBuilder::default()
    }

    /// Its client; clones share its submit stream. When the master is closed or has failed, each
    /// call of theirs fails at once with [`ClientError::Closed`].
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A worker of this master, to be given handlers. It ends by itself with a
    /// [`crate::SessionError`] when the master is closed before it was drained.
    pub fn worker(&self) -> WorkerBuilder {
        Worker::builder().local(self.local.service())
    }

    /// Waits until the master cannot go on, because its disk fails for one, and says why. What it
    /// has acknowledged is safe; calls fail from then on as if it was closed. Open it anew.
    pub async fn failed(&mut self) -> String {
        self.local.failed().await
    }

    /// Stops the master when everything on its way is durable. Drain its workers first; it waits
    /// neither for them nor for clients.
    pub async fn close(self) {
        self.local.close().await;
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}

impl EmbeddedBuilder {
    /// Keeps everything in this folder: it is there again when it is opened again. One process at
    /// a time may have it open. `capataz serve` can open it, too.
    pub fn data_dir(mut self, data_dir: impl Into<PathBuf>) -> EmbeddedBuilder {
        self.data_dir = Some(data_dir.into());
        self
    }

    /// Keeps nothing beyond the life of the master: for tests.
    pub fn in_memory(mut self) -> EmbeddedBuilder {
        self.data_dir = None;
        self
    }

    /// Opens the master. What was acknowledged before is back when this returns.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError`]; nothing in the folder was lost or changed for the worse.
    pub async fn open(self) -> Result<Embedded, EmbeddedError> {
        let options = NamespaceOptions {
            in_memory: self.data_dir.is_none(),
            ..NamespaceOptions::default()
        };
        let data_dir = self.data_dir.unwrap_or_default();
        let local = Local::open(&data_dir, options).await.map_err(Box::new)?;
        let client = Client::in_process(local.service(), &ClientConfig::default())?;
        Ok(Embedded { client, local })
    }
}

//! A master in the caller's process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use capataz_api::client::{Client, ClientConfig, ClientError};
use capataz_server::{Running, ServeOptions, StartError, serve};
use tempfile::TempDir;

use crate::worker::{Worker, WorkerBuilder};

/// How long requests of clients that are still there may take to end when the master closes.
const DRAIN: Duration = Duration::from_secs(1);

/// Why an embedded master does not open.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// There is no place for a master in memory to keep its large things.
    #[error("no temporary folder can be made: {0}")]
    Scratch(#[from] std::io::Error),
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

/// A master in this process: engine, journal and store. Its clients and workers are the same as
/// those of any other master. They reach it over the loopback device, on a free port that asks for
/// a token which is made anew; nobody on another host can.
///
/// Dropping it stops it without waiting for workers; what was acknowledged is safe all the same.
pub struct Embedded {
    client: Client,
    running: Running,
    /// The folder of a master in memory.
    _scratch: Option<TempDir>,
}

impl Embedded {
    /// A master in memory, unless a folder is named.
    pub fn builder() -> EmbeddedBuilder {
        EmbeddedBuilder::default()
    }

    /// Its client; clones share its connections.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A worker of this master, to be given handlers.
    pub fn worker(&self) -> WorkerBuilder {
        Worker::builder()
            .server(self.running.url())
            .token(self.running.token())
    }

    /// Waits until the master cannot go on, because its disk fails for one, and says why. What it
    /// has acknowledged is safe; what it answers from then on are errors. Open it anew.
    pub async fn failed(&mut self) -> String {
        self.running.failed().await
    }

    /// Stops the master when everything on its way is durable. Drain its workers first.
    pub async fn close(self) {
        // Its connections would be waited for.
        drop(self.client);
        self.running.shutdown().await;
    }
}

impl EmbeddedBuilder {
    /// Keeps everything in this folder: it is there again when it is opened again. One process at
    /// a time may have it open.
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
        let scratch = match self.data_dir {
            Some(_) => None,
            None => Some(tempfile::tempdir()?),
        };
        let in_scratch = scratch.as_ref().map(|scratch| scratch.path().to_owned());
        let data_dir = self.data_dir.or(in_scratch).unwrap_or_default();
        let mut options = ServeOptions::new(data_dir);
        options.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        options.drain = DRAIN;
        options.namespace.in_memory = scratch.is_some();
        let running = serve(options).await.map_err(Box::new)?;
        let client = Client::new(&ClientConfig {
            server: running.url(),
            token: Some(running.token().to_owned()),
            ..ClientConfig::default()
        })?;
        Ok(Embedded {
            client,
            running,
            _scratch: scratch,
        })
    }
}

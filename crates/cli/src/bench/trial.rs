//! A server, its workers and a client, for measurements that take longer than `bench queue`.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use capataz_api::client::{Client, ClientConfig, ClientError};
use capataz_api::rest::{Counts, Stats, StatsQuery};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::usage::{self, Memory};
use crate::doctor::sync::{self, SyncMillis};
use crate::failure::Told;
use crate::local::{LocalError, Process, Server};
use crate::quantiles::Quantiles;

/// How often something is looked at that is awaited. Each look is a call that the server answers
/// beside what is measured, so it is no more often than a second of work needs.
const LOOK: Duration = Duration::from_millis(5);
/// How long workers may take to join: thousands of them connect one after the other.
const JOIN: Duration = Duration::from_secs(60);
/// How long a server may take to be ready again: far more than it should, so that a slow start is a
/// figure rather than a failure.
const READY: Duration = Duration::from_secs(1_800);
/// How long the client goes on while the server takes nothing: the store may be far behind.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrialError {
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the disk cannot be measured: {0}")]
    Disk(io::Error),
    #[error("{path} of the server cannot be read: {cause}")]
    Http {
        path: &'static str,
        cause: io::Error,
    },
    #[error("only {joined} of {wanted} workers joined within {JOIN:?}; one said: {said}")]
    NoWorkers {
        joined: u64,
        wanted: u64,
        said: String,
    },
    #[error("the kernel does not say what the server takes")]
    Unseen,
    #[error("{failed} tasks that do nothing failed")]
    Failed { failed: u64 },
    #[error("{expected} tasks were queued when the server was killed, and {found} afterwards")]
    Lost { expected: u64, found: u64 },
    #[error("a timed task answered {got:?}, which is no number of nanoseconds")]
    NoTime { got: String },
    #[error("`{program}` cannot be run: {cause}")]
    NoProgram {
        program: &'static str,
        cause: io::Error,
    },
    #[error("{waiting} tasks wait for their acknowledgement: the machine cannot take {rate}/s")]
    Overrun { waiting: u64, rate: u64 },
    #[error("a part of the measurement was lost by a bug: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

impl Told for TrialError {
    fn hint(&self) -> Option<String> {
        match self {
            TrialError::Local(error) => error.hint(),
            TrialError::Client(error) => error.hint(),
            TrialError::Disk(_) => Some("--data-dir names another folder".to_owned()),
            TrialError::Overrun { .. } => Some("lower --rate".to_owned()),
            TrialError::Lost { .. } => Some("keep the data folder and report this".to_owned()),
            _ => None,
        }
    }
}

/// A server of this command's own and a client of it.
pub(crate) struct Trial {
    server: Server,
    /// Speaks to the server.
    pub(crate) client: Client,
    /// Milliseconds of one append and its sync on the same disk.
    raw_syncs: Quantiles,
}

impl Trial {
    /// Starts a server with its data in `folder`, or in a temporary one, and settings of its own.
    pub(crate) async fn start(
        folder: Option<PathBuf>,
        variables: Vec<(&'static str, String)>,
    ) -> Result<Trial, TrialError> {
        let server = Server::start_with(folder.as_deref(), variables).await?;
        let client = connect(&server)?;
        let mut trial = Trial {
            server,
            client,
            raw_syncs: Quantiles::default(),
        };
        trial.measure_disk()?;
        Ok(trial)
    }

    /// What one append of 4 KiB and its sync take on the same disk: now, and whenever this was
    /// asked before, which is at the start.
    pub(crate) fn measure_disk(&mut self) -> Result<SyncMillis, TrialError> {
        sync::measure(self.server.folder(), &mut self.raw_syncs).map_err(TrialError::Disk)?;
        Ok(SyncMillis::from(&self.raw_syncs))
    }

    /// A client with a connection of its own, so that what it sends never waits behind another's.
    pub(crate) fn another_client(&self) -> Result<Client, TrialError> {
        connect(&self.server)
    }

    /// Everything the server counts.
    pub(crate) async fn stats(&self) -> Result<Stats, TrialError> {
        Ok(self.client.stats(&StatsQuery::default()).await?)
    }

    /// How many tasks are where. A failed one ends the measurement: they all do nothing.
    pub(crate) async fn counts(&self) -> Result<Counts, TrialError> {
        let counts = self.stats().await?.total.counts;
        match counts.failed {
            0 => Ok(counts),
            failed => Err(TrialError::Failed { failed }),
        }
    }

    /// Waits until `enough` says so of the counts, and returns those.
    pub(crate) async fn until(
        &self,
        enough: impl Fn(&Counts) -> bool,
    ) -> Result<Counts, TrialError> {
        loop {
            let counts = self.counts().await?;
            if enough(&counts) {
                return Ok(counts);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the history is where the journal ends now, and says how long that took.
    pub(crate) async fn caught_up(&self) -> Result<Duration, TrialError> {
        let begun = Instant::now();
        let end = self.stats().await?.journal.position;
        while self.stats().await?.journal.store_position < end {
            tokio::time::sleep(LOOK).await;
        }
        Ok(begun.elapsed())
    }

    /// Starts `capataz ARGUMENTS` as a worker named `name`.
    pub(crate) fn start_worker(
        &self,
        name: &str,
        arguments: &[&str],
    ) -> Result<Process, TrialError> {
        Ok(self.server.join(name, arguments)?)
    }

    /// Waits until `wanted` workers of these processes are connected.
    pub(crate) async fn joined(
        &self,
        workers: &mut [Process],
        wanted: u64,
    ) -> Result<(), TrialError> {
        let begun = Instant::now();
        loop {
            for worker in workers.iter_mut() {
                worker.still_runs()?;
            }
            let joined = self.stats().await?.workers;
            if joined >= wanted {
                return Ok(());
            }
            if begun.elapsed() > JOIN {
                let said = workers.first().map(Process::said).unwrap_or_default();
                return Err(TrialError::NoWorkers {
                    joined,
                    wanted,
                    said,
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What the server has in memory.
    pub(crate) fn memory(&self) -> Result<Memory, TrialError> {
        let id = self.server.id().ok_or(TrialError::Unseen)?;
        usage::memory(id).ok_or(TrialError::Unseen)
    }

    /// Seconds of processor time that the server has taken.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, TrialError> {
        let id = self.server.id().ok_or(TrialError::Unseen)?;
        usage::cpu_seconds(id).ok_or(TrialError::Unseen)
    }

    /// Bytes that were appended to the journal since the server started, trimmed ones included.
    pub(crate) async fn journal_bytes_written(&self) -> Result<u64, TrialError> {
        let path = "/metrics";
        let (_, text) = self.get(path).await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("capataz_journal_bytes_total "));
        let number = line.and_then(|number| number.trim().parse().ok());
        number.ok_or_else(|| TrialError::Http {
            path,
            cause: io::Error::other("it has no capataz_journal_bytes_total"),
        })
    }

    /// Kills the server with SIGKILL and starts it again on the same data: seconds until `/readyz`
    /// answers 200.
    pub(crate) async fn kill_and_restart(&mut self) -> Result<f64, TrialError> {
        let begun = Instant::now();
        self.server.kill_and_restart(READY).await?;
        while self.get("/readyz").await?.0 != 200 {
            tokio::time::sleep(LOOK).await;
        }
        let taken = begun.elapsed().as_secs_f64();
        self.client = connect(&self.server)?;
        Ok(taken)
    }

    /// An error when the server has ended.
    pub(crate) fn still_runs(&mut self) -> Result<(), TrialError> {
        Ok(self.server.still_runs()?)
    }

    /// Ends everything gracefully.
    pub(crate) async fn stop(self) {
        // Its connections would keep the server from ending.
        drop(self.client);
        self.server.stop().await;
    }

    /// Asks for a page as any probe does: its status and its text.
    async fn get(&self, path: &'static str) -> Result<(u16, String), TrialError> {
        let failed = |cause| TrialError::Http { path, cause };
        let host = self.server.url().trim_start_matches("http://");
        let token = self.server.token();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\n\r\n"
        );
        let mut stream = TcpStream::connect(host).await.map_err(failed)?;
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.map_err(failed)?;
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| failed(io::Error::other("it is no HTTP")))?;
        Ok((status, text))
    }
}

fn connect(server: &Server) -> Result<Client, TrialError> {
    Ok(Client::new(&ClientConfig {
        server: server.url().to_owned(),
        token: Some(server.token().to_owned()),
        retry_for: PATIENCE,
        ..ClientConfig::default()
    })?)
}

//! `capataz serve` on a free port.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{LocalError, Process};

/// How long a server may take to begin.
const BEGIN: Duration = Duration::from_secs(20);

/// How often its address is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// A server of this command's own.
pub(crate) struct Server {
    process: Process,
    folder: PathBuf,
    /// What it is told besides where to keep its data and to listen.
    variables: Vec<(&'static str, String)>,
    /// Removes the folder, when it was made for this server.
    _temporary: Option<TempDir>,
    url: String,
    token: String,
}

impl Server {
    /// Starts one with its data in `folder`, which no server has used, or in a temporary one,
    /// and waits until it can be spoken to.
    pub(crate) async fn start(folder: Option<&Path>) -> Result<Server, LocalError> {
        Server::start_with(folder, Vec::new()).await
    }

    /// The same with settings of its own, as variables.
    pub(crate) async fn start_with(
        folder: Option<&Path>,
        variables: Vec<(&'static str, String)>,
    ) -> Result<Server, LocalError> {
        let temporary = match folder {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(LocalError::NoFolder)?),
        };
        let made = temporary.as_ref().map(TempDir::path);
        let folder = folder.or(made).expect("one of the two is there").to_owned();
        std::fs::create_dir_all(&folder).map_err(LocalError::NoFolder)?;
        if folder.join("namespaces").exists() {
            return Err(LocalError::UsedFolder(folder));
        }
        let (process, url) = begin(&folder, &variables, BEGIN).await?;
        let path = folder.join("admin-token");
        let token = match std::fs::read_to_string(&path) {
            Ok(token) => token.trim().to_owned(),
            Err(cause) => return Err(LocalError::Unreadable { path, cause }),
        };
        Ok(Server {
            process,
            folder,
            variables,
            _temporary: temporary,
            url,
            token,
        })
    }

    /// Kills it as nothing can be prepared for, starts it again on the same data, and waits up to
    /// `patience` until it has read that. It listens at another address then.
    pub(crate) async fn kill_and_restart(&mut self, patience: Duration) -> Result<(), LocalError> {
        self.process.kill().await;
        (self.process, self.url) = begin(&self.folder, &self.variables, patience).await?;
        Ok(())
    }

    /// Its process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its admin token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Its data folder, where its workers' logs go too.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts `capataz ARGUMENTS` as a client or worker of this server; it says what it has to say
    /// to the file `NAME.log` in the server's folder.
    pub(crate) fn join(&self, name: &str, arguments: &[&str]) -> Result<Process, LocalError> {
        // What a worker notes of its processes belongs to this server, not to the user.
        let state = self.folder.join("workers");
        let variables = [
            ("CAPATAZ_SERVER", self.url()),
            ("CAPATAZ_TOKEN", self.token()),
            ("CAPATAZ_WORKER_STATE_DIR", &*state.to_string_lossy()),
        ];
        Process::start(
            arguments,
            &variables,
            &self.folder.join(format!("{name}.log")),
        )
    }

    /// An error when it has ended.
    pub(crate) fn still_runs(&mut self) -> Result<(), LocalError> {
        self.process.still_runs()
    }

    /// Bytes of memory it takes now; `None` where that cannot be seen.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id()?)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }

    /// Ends it gracefully.
    pub(crate) async fn stop(self) {
        self.process.stop().await;
    }
}

/// Starts the process, and waits until it has written down where it listens.
async fn begin(
    folder: &Path,
    variables: &[(&'static str, String)],
    patience: Duration,
) -> Result<(Process, String), LocalError> {
    let address = folder.join("address");
    // A file from an earlier server in this folder names a port that is another's by now.
    let _ = std::fs::remove_file(&address);
    let data = folder.to_string_lossy();
    let arguments = ["serve", "--data-dir", &*data, "--listen", "127.0.0.1:0"];
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut process = Process::start(&arguments, &variables, &folder.join("serve.log"))?;
    let begun = Instant::now();
    loop {
        process.still_runs()?;
        match std::fs::read_to_string(&address) {
            Ok(text) if text.ends_with('\n') => return Ok((process, text.trim().to_owned())),
            _ if begun.elapsed() > patience => {
                return Err(LocalError::NotReady {
                    waited: patience,
                    said: process.said(),
                });
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

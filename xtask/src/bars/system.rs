//! A server, and what is started to work with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, until};

/// How long a server may take to recover and answer.
const START: Duration = Duration::from_secs(60);

/// Items of a page: the most that a list may have.
const PAGE: usize = 10_000;

/// How long a whole bar may take to end its tasks.
const WORK: &str = "20m";

/// A server in a folder of its own.
pub(crate) struct System {
    process: Process,
    clients: Clients,
    lease: Option<&'static str>,
    // Dropped last: the server writes into it.
    folder: TempDir,
}

/// How to reach the server; outlives its restarts.
#[derive(Clone)]
pub(crate) struct Clients {
    binary: PathBuf,
    folder: PathBuf,
    address: String,
    token: String,
}

impl System {
    /// Starts a server with leases of `lease`, or of the default's length.
    pub(crate) fn start(binary: &Path, lease: Option<&'static str>) -> Result<System> {
        let folder = tempfile::tempdir()?;
        let process = serve(binary, folder.path(), "127.0.0.1:0", lease)?;
        let address = ready(folder.path())?;
        let token = fs::read_to_string(folder.path().join("data/admin-token"))?;
        let clients = Clients {
            binary: binary.to_owned(),
            folder: folder.path().to_owned(),
            address,
            token: token.trim().to_owned(),
        };
        Ok(System {
            process,
            clients,
            lease,
            folder,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// SIGKILL, and after `outage` a new one at the same address; says how long it took to be
    /// ready.
    pub(crate) fn kill_and_restart(&mut self, outage: Duration) -> Result<Duration> {
        self.process.kill()?;
        std::thread::sleep(outage);
        fs::remove_file(self.path().join("data/address"))?;
        let begun = Instant::now();
        let listen = self.clients.address.trim_start_matches("http://");
        self.process = serve(&self.clients.binary, self.path(), listen, self.lease)?;
        ready(self.path())?;
        Ok(begun.elapsed())
    }
}

impl Clients {
    /// `capataz ARGUMENTS` for this server, in a clean environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = clean(&self.binary, &self.folder);
        command
            .env("CAPATAZ_SERVER", &self.address)
            .env("CAPATAZ_TOKEN", &self.token);
        command.args(arguments);
        command
    }

    /// The same clients with another file as the binary.
    pub(crate) fn with_binary(&self, binary: PathBuf) -> Clients {
        Clients {
            binary,
            ..self.clone()
        }
    }

    /// Runs `capataz ARGUMENTS` to its end.
    pub(crate) fn output(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(arguments).stdin(Stdio::null()).output()?)
    }

    /// Its stdout; an error when it does not succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "capataz {arguments:?}: {}: {said}",
            output.status
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts `capataz worker --name NAME FLAGS`.
    pub(crate) fn worker(&self, name: &str, flags: &[&str]) -> Result<Process> {
        let arguments = [&["worker", "--name", name], flags].concat();
        let said = self.folder.join(format!("worker-{name}.log"));
        Process::start(self.command(&arguments), &said)
    }

    /// Waits until all tasks with a tag have ended; how they did is not asked.
    pub(crate) fn wait(&self, tag: &str) -> Result<()> {
        let output = self.output(&["wait", "--tag", tag, "--timeout", WORK])?;
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        ensure!(
            matches!(code, Some(0 | 2 | 3)),
            "wait: {}: {said}",
            output.status
        );
        Ok(())
    }

    /// Every task with a tag.
    pub(crate) fn tasks(&self, tag: &str) -> Result<Vec<Value>> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let limit = PAGE.to_string();
            let mut arguments = vec![
                "task", "list", "--tag", tag, "--limit", &limit, "--output", "json",
            ];
            if let Some(cursor) = &cursor {
                arguments.extend(["--cursor", cursor]);
            }
            let mut page: Value = serde_json::from_str(&self.run(&arguments)?)?;
            let Value::Array(items) = page["items"].take() else {
                anyhow::bail!("a page without items: {page}");
            };
            all.extend(items);
            match page["cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(all),
            }
        }
    }

    /// Everything that happened to tasks with a tag; an error when some of it is forgotten.
    pub(crate) fn events(&self, tag: &str) -> Result<Vec<Value>> {
        let printed = self.run(&["events", "--tag", tag])?;
        let events: Vec<Value> = printed
            .lines()
            .map(serde_json::from_str)
            .collect::<serde_json::Result<_>>()?;
        let gap = events.iter().find(|event| event["type"] == "gap");
        ensure!(gap.is_none(), "events are missing: {gap:?}");
        Ok(events)
    }

    /// One task with its attempts.
    pub(crate) fn task(&self, id: &str) -> Result<Value> {
        Ok(serde_json::from_str(
            &self.run(&["task", "show", id, "--output", "json"])?,
        )?)
    }
}

fn clean(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CAPATAZ_") {
            command.env_remove(name);
        }
    }
    command.env("CAPATAZ_WORKER_STATE_DIR", folder.join("workers"));
    command.current_dir(folder);
    command
}

fn serve(binary: &Path, folder: &Path, listen: &str, lease: Option<&str>) -> Result<Process> {
    let mut command = clean(binary, folder);
    command.args(["serve", "--data-dir", "data", "--listen", listen]);
    if let Some(lease) = lease {
        command.env("CAPATAZ_SERVE_LEASE_TTL", lease);
    }
    Process::start(command, &folder.join("serve.log"))
}

fn ready(folder: &Path) -> Result<String> {
    let address = until("the server writes its address", START, || {
        let text = fs::read_to_string(folder.join("data/address")).ok();
        Ok(text.and_then(|text| text.strip_suffix('\n').map(str::to_owned)))
    });
    let said = || fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
    address.with_context(|| format!("the server said: {}", said()))
}

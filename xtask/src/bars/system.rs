//! A server, and what is started to work with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, until};

/// How long a server may take to recover and answer.
const START: Duration = Duration::from_secs(60);

/// Items of a page: the most that a list may have.
const PAGE: usize = 10_000;

/// How long a whole bar may take to end its tasks.
const WORK: &str = "20m";

/// What a server is started with.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) binary: PathBuf,
    /// How long leases are, unless they are of the default's length.
    pub(crate) lease: Option<&'static str>,
    /// The server's folder, unless it is one of its own.
    pub(crate) data: Option<PathBuf>,
    /// Further settings.
    pub(crate) env: Vec<(&'static str, String)>,
}

/// A server in a folder of its own.
pub(crate) struct System {
    process: Process,
    clients: Clients,
    setup: Setup,
    data: PathBuf,
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
        System::start_as(Setup {
            binary: binary.to_owned(),
            lease,
            data: None,
            env: Vec::new(),
        })
    }

    /// Starts a server.
    pub(crate) fn start_as(setup: Setup) -> Result<System> {
        let folder = tempfile::tempdir()?;
        let data = setup.data.clone().unwrap_or(folder.path().join("data"));
        // What a killed server left there.
        let _ = fs::remove_file(data.join("address"));
        let mut process = serve(&setup, folder.path(), &data, "127.0.0.1:0")?;
        let address = ready(&mut process, folder.path(), &data)?;
        let token = fs::read_to_string(data.join("admin-token"))?;
        let clients = Clients {
            binary: setup.binary.clone(),
            folder: folder.path().to_owned(),
            address,
            token: token.trim().to_owned(),
        };
        Ok(System {
            process,
            clients,
            setup,
            data,
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
        self.kill()?;
        std::thread::sleep(outage);
        self.restart()
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// A new server at the same address, once the old one is gone; says how long it took to be
    /// ready.
    pub(crate) fn restart(&mut self) -> Result<Duration> {
        // A killed server left it; one that never came so far did not.
        let _ = fs::remove_file(self.data.join("address"));
        let begun = Instant::now();
        let listen = self.clients.address.trim_start_matches("http://");
        self.process = serve(&self.setup, self.path(), &self.data, listen)?;
        ready(&mut self.process, self.folder.path(), &self.data)?;
        Ok(begun.elapsed())
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What the server has said to its log.
    pub(crate) fn said(&self) -> String {
        said(self.path())
    }
}

impl Clients {
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

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

fn serve(setup: &Setup, folder: &Path, data: &Path, listen: &str) -> Result<Process> {
    let mut command = clean(&setup.binary, folder);
    command
        .args(["serve", "--listen", listen, "--data-dir"])
        .arg(data);
    if let Some(lease) = setup.lease {
        command.env("CAPATAZ_SERVE_LEASE_TTL", lease);
    }
    command.envs(setup.env.iter().map(|(name, value)| (name, value)));
    Process::start(command, &folder.join("serve.log"))
}

fn ready(process: &mut Process, folder: &Path, data: &Path) -> Result<String> {
    let address = until("the server writes its address", START, || {
        if let Some(status) = process.ended()? {
            bail!("the server ended with {status}");
        }
        let text = fs::read_to_string(data.join("address")).ok();
        Ok(text.and_then(|text| text.strip_suffix('\n').map(str::to_owned)))
    });
    address.with_context(|| format!("the server said: {}", said(folder)))
}

fn said(folder: &Path) -> String {
    fs::read_to_string(folder.join("serve.log")).unwrap_or_default()
}

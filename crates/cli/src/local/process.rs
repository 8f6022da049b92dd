//! One child process that is this binary again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::LocalError;

/// How long a child may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// How much of what a child said is quoted when it fails.
const SAID_BYTES: usize = 2_000;

/// A child process; killed when it is dropped.
pub(crate) struct Process {
    command: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `capataz ARGUMENTS` with `variables`; what it says goes to the file `log`, what it
    /// prints nowhere.
    pub(crate) fn start(
        arguments: &[&str],
        variables: &[(&str, &str)],
        log: &Path,
    ) -> Result<Process, LocalError> {
        let program = std::env::current_exe().map_err(LocalError::NoProgram)?;
        let command = arguments.join(" ");
        let not_started = |cause| LocalError::NotStarted {
            command: command.clone(),
            cause,
        };
        let said = File::create(log).map_err(not_started)?;
        let mut child = Command::new(program);
        // The user's settings are for their own server.
        child.args(["--config", "/dev/null"]).args(arguments);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CAPATAZ_") {
                child.env_remove(name);
            }
        }
        child.envs(variables.iter().copied());
        child
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .kill_on_drop(true);
        let child = child.spawn().map_err(not_started)?;
        Ok(Process {
            command,
            child,
            log: log.to_owned(),
        })
    }

    /// Its process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The last of what it said.
    pub(crate) fn said(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let end = &bytes[bytes.len().saturating_sub(SAID_BYTES)..];
        String::from_utf8_lossy(end).trim().to_owned()
    }

    /// An error when it has ended, which none of these processes does by itself.
    pub(crate) fn still_runs(&mut self) -> Result<(), LocalError> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                let (command, said) = (self.command.clone(), self.said());
                Err(LocalError::Ended {
                    command,
                    status,
                    said,
                })
            }
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Ends it at once, and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill().await;
    }

    /// Asks it to end, and ends it when it does not.
    pub(crate) async fn stop(mut self) {
        if let Some(id) = self.id() {
            // It may have ended in between: then there is nothing to signal.
            let _ = kill(Pid::from_raw(id as i32), Signal::SIGTERM);
        }
        if tokio::time::timeout(GRACE, self.child.wait())
            .await
            .is_err()
        {
            let _ = self.child.kill().await;
        }
    }
}

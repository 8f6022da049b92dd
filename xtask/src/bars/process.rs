//! Processes that are ended by their ids, whatever happens.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something.
pub(crate) fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begun.elapsed() > patience {
            bail!("still not after {patience:?}: {what}");
        }
        std::thread::sleep(LOOK);
    }
}

/// A process in the background; killed and reaped when it is dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`; what it says is added to the file `said`.
    pub(crate) fn start(mut command: Command, said: &Path) -> Result<Process> {
        let file = File::options().create(true).append(true).open(said)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = command
            .spawn()
            .with_context(|| format!("{command:?} did not start"))?;
        Ok(Process { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        // Not reaped before `ended` or `drop`, so the id is still this process's.
        Ok(kill(
            Pid::from_raw(i32::try_from(self.child.id())?),
            signal,
        )?)
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Starting the guard.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::Pid;

use super::claim::Claim;
use crate::guard::GUARD_ARGUMENT;

/// This program, even when its file was replaced by a newer build in the meantime.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Set for a guard, so that a program that forgot to become one notices before it starts another.
const GUARD_VARIABLE: &str = "CAPATAZ_GUARD";

/// How the guard is called in a list of processes.
const SHOWN_AS: &str = "capataz";

/// A guard that runs and knows nothing yet.
pub(super) struct Launched {
    pub(super) child: Child,
    pub(super) socket: UnixStream,
}

/// Why there is no guard.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program could not be started.
    #[error("the guard {program} could not be started: {cause}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        cause: io::Error,
    },
    /// This process was started to be a guard itself, and became something else.
    #[error(
        "this program was started as a guard and did not become one: call \
         capataz_worker::guard::run_if_guard() first thing in main"
    )]
    NotAGuard,
    /// The guard could not be written down, so a next incarnation could not end its processes.
    #[error("the guard could not be recorded in the state folder: {0}")]
    Record(io::Error),
    /// No socket to talk with it.
    #[error("no socket to the guard: {0}")]
    Socket(io::Error),
}

/// Starts the guard and records it under the claim.
pub(super) fn launch(
    program: Option<&PathBuf>,
    worker: &str,
    claim: &Claim,
) -> Result<Launched, LaunchError> {
    if std::env::var_os(GUARD_VARIABLE).is_some() {
        return Err(LaunchError::NotAGuard);
    }
    let (socket, theirs) = UnixStream::pair().map_err(LaunchError::Socket)?;
    socket.set_nonblocking(true).map_err(LaunchError::Socket)?;
    let program = program.map_or(Path::new(OWN_PROGRAM), PathBuf::as_path);
    // The guard makes a session of its own, which a leader of a group could not, so it gets none.
    let mut command = Command::new(program);
    command
        .arg0(SHOWN_AS)
        .arg(GUARD_ARGUMENT)
        .arg(worker)
        .env_clear()
        .env(GUARD_VARIABLE, "1")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null());
    let mut child = command.spawn().map_err(|cause| LaunchError::Start {
        program: program.display().to_string(),
        cause,
    })?;
    // Our copy of its end goes with the command: only the guard holds it from here on.
    drop(command);
    if let Err(cause) = claim.record(Pid::from_raw(child.id() as i32)) {
        drop(socket);
        // It was told nothing, so it ends when its socket closes.
        let _ = child.wait();
        return Err(LaunchError::Record(cause));
    }
    Ok(Launched { child, socket })
}

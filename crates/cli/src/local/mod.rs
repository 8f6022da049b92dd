//! A server and workers of this command's own, as child processes of the same binary: what `demo`
//! and `bench` run on.
//!
//! They use a data folder and a port of their own and no settings of the user, so that nothing of
//! a server that already runs here is touched. All of them end with this command.

mod process;
mod server;

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::failure::Told;

pub(crate) use process::Process;
pub(crate) use server::Server;

/// Why a child process of this command is no use to it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    #[error("this program cannot find itself: {0}")]
    NoProgram(std::io::Error),
    #[error("no temporary folder can be made: {0}")]
    NoFolder(std::io::Error),
    #[error("{} has been a server's folder: what is in it would be measured too", .0.display())]
    UsedFolder(PathBuf),
    #[error("`capataz {command}` cannot be started: {cause}")]
    NotStarted {
        command: String,
        cause: std::io::Error,
    },
    #[error("`capataz {command}` ended with {status}; it said: {said}")]
    Ended {
        command: String,
        status: ExitStatus,
        said: String,
    },
    #[error("`capataz serve` did not answer for {waited:?}; it said: {said}")]
    NotReady { waited: Duration, said: String },
    #[error("{} of a server that runs cannot be read: {cause}", path.display())]
    Unreadable {
        path: PathBuf,
        cause: std::io::Error,
    },
}

impl Told for LocalError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            LocalError::UsedFolder(_) => "name a folder that is not there yet, or remove this one",
            LocalError::NoFolder(_) => "TMPDIR names another folder for temporary files",
            LocalError::Ended { .. } | LocalError::NotReady { .. } => {
                "`capataz doctor` checks this machine"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

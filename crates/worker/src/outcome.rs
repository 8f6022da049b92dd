//! How an attempt ended, and what it used.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::logs::LogTail;

/// An output above this fails the attempt with [`FailReason::OutputTooLarge`]: the hard limit of a
/// task's output in bytes.
pub const OUTPUT_BYTES_MAX: usize = 512 * 1024;

/// Stdout that serves as output is cut here, in bytes, and the cut is flagged: a program that
/// prints much did not ask for its prints to be an output.
pub const STDOUT_OUTPUT_MAX: usize = 256 * 1024;

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// How it ended.
    pub outcome: Outcome,
    /// What it returned; none when it returned nothing or the mode keeps none. Kept for failed
    /// attempts too when there is any.
    pub output: Option<Bytes>,
    /// The output is the first [`STDOUT_OUTPUT_MAX`] bytes of a longer stdout.
    pub output_cut: bool,
    /// What it used.
    pub usage: Usage,
    /// The last it printed, which travels with the completion.
    pub log_tail: LogTail,
}

impl Finished {
    /// An end without output, usage or logs.
    pub fn bare(outcome: Outcome) -> Finished {
        Finished {
            outcome,
            output: None,
            output_cut: false,
            usage: Usage::default(),
            log_tail: LogTail::default(),
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It did its work.
    Succeeded,
    /// It did not.
    Failed {
        /// The machine-readable cause.
        reason: FailReason,
        /// One sentence for a human.
        message: String,
        /// The process's exit code, when it exited by itself. A command that could not start has
        /// the shell's convention: 127 not found, 126 not executable.
        exit_code: Option<i32>,
        /// The signal that ended the process.
        signal: Option<i32>,
        /// No retry can help: retries are skipped.
        fatal: bool,
    },
    /// No failure: the task is to come back after this time, its work runs elsewhere.
    Again {
        /// How long to wait before the next attempt.
        after: Duration,
    },
    /// It was stopped by [`crate::Stop::Cancel`].
    Cancelled,
    /// It was stopped because its lease was lost. Nothing it did may be reported; only that its
    /// sandbox is gone.
    LeaseLost,
}

impl Outcome {
    /// A failure that is not about an exit code or a signal.
    pub fn failed(reason: FailReason, message: impl Into<String>) -> Outcome {
        Outcome::Failed {
            reason,
            message: message.into(),
            exit_code: None,
            signal: None,
            fatal: false,
        }
    }

    /// A failure that no retry can mend.
    pub fn fatal(message: impl Into<String>) -> Outcome {
        Outcome::Failed {
            reason: FailReason::Error,
            message: message.into(),
            exit_code: None,
            signal: None,
            fatal: true,
        }
    }

    /// The failure of an output of `bytes`. Fatal: the same work would return the same again.
    pub(crate) fn too_large(bytes: u64) -> Outcome {
        Outcome::Failed {
            reason: FailReason::OutputTooLarge,
            message: format!("the output has {bytes} bytes, the limit is {OUTPUT_BYTES_MAX}"),
            exit_code: None,
            signal: None,
            fatal: true,
        }
    }
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// It said so: a non-zero exit code, an error, a panic.
    Error,
    /// It ran longer than its timeout.
    Timeout,
    /// Its output is larger than [`OUTPUT_BYTES_MAX`].
    OutputTooLarge,
    /// Something outside Capataz, the kernel's OOM killer for one, ended it with a signal.
    Killed,
    /// Its command or handler could not be started here.
    CouldNotStart,
}

impl FailReason {
    /// The word that is used on the wire and shown to users.
    pub fn as_str(self) -> &'static str {
        match self {
            FailReason::Error => "error",
            FailReason::Timeout => "timeout",
            FailReason::OutputTooLarge => "output_too_large",
            FailReason::Killed => "killed",
            FailReason::CouldNotStart => "could_not_start",
        }
    }
}

/// What an attempt used. CPU and memory are zero where an executor cannot measure them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The largest resident set of any one of its processes, in bytes.
    pub max_rss_bytes: u64,
    /// CPU time in user mode, of all its processes.
    pub cpu_user: Duration,
    /// CPU time in the kernel, of all its processes.
    pub cpu_system: Duration,
    /// From its start to its end.
    pub wall: Duration,
}

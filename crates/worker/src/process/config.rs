//! What the operator of a worker decides.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// From SIGTERM to SIGKILL by default, when an attempt ran into its timeout.
const TIMEOUT_GRACE: Duration = Duration::from_secs(5);

/// How a worker runs processes.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// The worker's name, `CAPATAZ_WORKER` to its attempts.
    pub worker: String,
    /// Its pod, `CAPATAZ_POD` to its attempts.
    pub pod: String,
    /// What may run.
    pub commands: CommandPolicy,
    /// Names of variables that attempts get from the worker's own environment, besides `PATH`,
    /// `HOME`, `LANG`, `LC_*`, `TZ`, `USER`, `TMPDIR`.
    pub env_pass: Vec<String>,
    /// Bounds on each process.
    pub limits: Limits,
    /// From SIGTERM to SIGKILL when an attempt ran into its timeout.
    pub timeout_grace: Duration,
    /// The program that becomes the guard when its first argument is `guard`; this program itself
    /// when none is named.
    pub guard_program: Option<PathBuf>,
}

impl ProcessConfig {
    /// A configuration with the defaults for everything else.
    pub fn new(
        worker: impl Into<String>,
        pod: impl Into<String>,
        commands: CommandPolicy,
    ) -> ProcessConfig {
        ProcessConfig {
            worker: worker.into(),
            pod: pod.into(),
            commands,
            env_pass: Vec::new(),
            limits: Limits::default(),
            timeout_grace: TIMEOUT_GRACE,
            guard_program: None,
        }
    }
}

/// Which commands a worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandPolicy {
    /// This one. A task that brings a command of its own fails for good, as does one whose
    /// environment would change what runs (`PATH`, `LD_*` and the like).
    Fixed(Vec<String>),
    /// The one that each task brings; a task without one fails for good.
    AllowTasks,
}

/// Bounds the kernel puts on an attempt's processes; what is none is as the worker has it. Core
/// files are always off. All but `no_new_privs` are set on the main process just after it began,
/// and inherited by what it starts from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Address space of each process, in bytes (`RLIMIT_AS`).
    pub memory_bytes: Option<u64>,
    /// CPU time of each process, in whole seconds, at least one (`RLIMIT_CPU`).
    pub cpu: Option<Duration>,
    /// Open files of each process (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
    /// Processes and threads of the worker's user, on the whole host (`RLIMIT_NPROC`); not for root.
    pub processes: Option<u64>,
    /// No process gains privileges by executing a file: `sudo` and setuid programs do not work.
    pub no_new_privs: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes: None,
            cpu: None,
            open_files: None,
            processes: None,
            no_new_privs: true,
        }
    }
}

//! The settings of a user: compiled-in defaults, `capataz.toml`, environment. Flags come on top, in
//! the commands themselves.
//!
//! `default.toml` is the documentation of every option and the only place of its default.

mod layers;
mod options;
mod quantity;

use std::path::PathBuf;

use capataz_api::Span;
use serde::Deserialize;

pub(crate) use layers::load;
pub(crate) use quantity::{Size, parse_size};

/// Every option with its value.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Settings {
    /// The URL of the server.
    pub(crate) server: String,
    /// The token, when one is given.
    pub(crate) token: Option<String>,
    /// Certificates that may vouch for the server.
    pub(crate) tls_ca: Option<PathBuf>,
    /// How commands print.
    pub(crate) cli: CliSettings,
    /// The server's.
    pub(crate) serve: ServeSettings,
    /// The worker's.
    pub(crate) worker: WorkerSettings,
}

/// `[cli]`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CliSettings {
    /// `table`, `json` or `quiet`.
    pub(crate) output: String,
}

/// `[serve]`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ServeSettings {
    /// The data folder.
    pub(crate) data_dir: PathBuf,
    /// Address and port.
    pub(crate) listen: String,
    /// The certificate.
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its key.
    pub(crate) tls_key: Option<PathBuf>,
    /// Whether an address beyond this machine may be served without TLS.
    pub(crate) allow_plaintext: bool,
    /// Further names in `Host`.
    pub(crate) allowed_hosts: Vec<String>,
    /// How long a worker may be silent.
    pub(crate) lease_ttl: Span,
    /// How long requests may take to end.
    pub(crate) drain: Span,
    /// How long ended tasks are kept.
    pub(crate) retention_age: Span,
    /// How many of them.
    pub(crate) retention_tasks: u64,
    /// How many ended runs are kept, each with all of its tasks.
    pub(crate) retention_runs: u64,
    /// What the data may take.
    pub(crate) disk_quota: Size,
    /// What is to stay free.
    pub(crate) disk_reserve: Size,
    /// Dedup keys that are kept.
    pub(crate) max_dedup_keys: u64,
    /// Whether the journal is kept in memory.
    pub(crate) in_memory: bool,
    /// A filter of tracing.
    pub(crate) log: String,
    /// `text` or `json`.
    pub(crate) log_format: String,
}

/// `[worker]`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct WorkerSettings {
    /// Groups it serves.
    pub(crate) groups: Vec<String>,
    /// Its pod.
    pub(crate) pod: Option<String>,
    /// Slots of that pod.
    pub(crate) pod_slots: Option<u32>,
    /// Attempts at once.
    pub(crate) concurrency: Option<u32>,
    /// Its name.
    pub(crate) name: Option<String>,
    /// Whether tasks bring commands.
    pub(crate) allow_commands: bool,
    /// Variables passed on.
    pub(crate) env_pass: Vec<String>,
    /// Keys it announces.
    pub(crate) affinity: Vec<String>,
    /// Tasks whose keys it announces.
    pub(crate) remember: u32,
    /// Address space of a process, in bytes.
    pub(crate) memory_limit: Option<Size>,
    /// CPU time of a process.
    pub(crate) cpu_limit: Option<Span>,
    /// Open files of a process.
    pub(crate) open_files: Option<u64>,
    /// How long attempts may run on when it is to stop.
    pub(crate) drain: Option<Span>,
    /// Secrets that are variables: `NAME` or `NAME=VARIABLE`.
    pub(crate) secrets: Vec<String>,
    /// Where secrets are.
    pub(crate) secrets_dir: Option<PathBuf>,
    /// Where workers note what they run.
    pub(crate) state_dir: Option<PathBuf>,
    /// A filter of tracing.
    pub(crate) log: String,
    /// `text` or `json`.
    pub(crate) log_format: String,
}

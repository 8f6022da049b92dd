//! What a worker says of itself, and how its session behaves.

use std::time::Duration;

use super::incarnation::Incarnation;
use super::secrets::Secrets;

/// From asking a cancelled attempt to end until it is made to, by default.
pub const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// Attempts that one worker may run at once: what one process can watch over, and the bound on
/// the results it keeps until they are acknowledged.
pub const CONCURRENCY_MAX: u32 = 100_000;

/// A worker's session. [`SessionOptions::new`] fills in what has a default.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The worker's name; unique in its namespace.
    pub name: String,
    /// This process's number under that name.
    pub incarnation: Incarnation,
    /// The host's name.
    pub host: String,
    /// The build, as shown to operators.
    pub build: String,
    /// The pod it runs in.
    pub pod: String,
    /// The slots the pod gets if this worker is its first.
    pub pod_slots: Option<u32>,
    /// The groups whose tasks it runs.
    pub groups: Vec<String>,
    /// Attempts it can run at once, 1 to [`CONCURRENCY_MAX`].
    pub concurrency: u32,
    /// Affinity keys of how many of its last tasks count as announced.
    pub remember: u32,
    /// Affinity keys it announces.
    pub affinity: Vec<String>,
    /// From asking a cancelled attempt to end until it is made to.
    pub cancel_grace: Duration,
    /// Where tasks' secrets come from.
    pub secrets: Secrets,
    /// Seeds the jitter of reconnects: fixed in simulations.
    pub seed: u64,
}

impl SessionOptions {
    /// A worker of one pod and some groups, on this host, that runs one attempt at a time.
    pub fn new(
        name: impl Into<String>,
        pod: impl Into<String>,
        groups: impl IntoIterator<Item = impl Into<String>>,
    ) -> SessionOptions {
        SessionOptions {
            name: name.into(),
            incarnation: Incarnation::begin(),
            host: host_name(),
            build: build_version(),
            pod: pod.into(),
            pod_slots: None,
            groups: groups.into_iter().map(Into::into).collect(),
            concurrency: 1,
            remember: 0,
            affinity: Vec::new(),
            cancel_grace: CANCEL_GRACE,
            secrets: Secrets::none(),
            seed: rand::random(),
        }
    }
}

/// The name of this host, or `localhost` when it has none that is text.
pub fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// A worker's name that nobody else has: the host's name and a random suffix.
pub fn random_name() -> String {
    format!("{}-{:08x}", host_name(), rand::random::<u32>())
}

/// The version of this build, with the commit it was built from when the build knows it.
pub fn build_version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match option_env!("CAPATAZ_GIT_COMMIT") {
        Some(commit) => format!("{version}+{commit}"),
        None => version.to_owned(),
    }
}

//! What a worker with nothing but an HTTP client says and hears.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::submit::check_message;
use super::{Blob, Body, Usage};
use crate::limits;
use crate::span::Span;
use crate::spec::{Flaw, SpecError, TaskSpec, check_name};

/// Asks for work. The answer waits until there is some, or for `wait`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// The worker's name, unique in the namespace.
    #[schema(min_length = 1, max_length = 255)]
    pub worker: String,
    /// Where it runs; by default the address it calls from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its pod.
    #[schema(min_length = 1, max_length = 255)]
    pub pod: String,
    /// Slots that it proposes for a pod that nobody has set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub slots: Option<u32>,
    /// The groups whose tasks it runs.
    #[schema(min_items = 1, max_items = 1000)]
    pub groups: Vec<String>,
    /// Attempts that it can run now; default 1.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 100000)]
    pub max: u32,
    /// How long to wait for work, at most a minute; default not at all.
    #[serde(default)]
    pub wait: Span,
    /// Affinity keys of what it has at hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64)]
    pub affinity: Vec<String>,
    /// Chosen by the worker, new for each poll: asked again with the same one, the answer is the
    /// same. Without it a lost answer's leases are idle until they expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_id: Option<String>,
}

fn one() -> u32 {
    1
}

impl Body for LeaseRequest {
    fn check(&self) -> Result<(), SpecError> {
        check_name("worker", &self.worker)?;
        check_name("pod", &self.pod)?;
        check_count("groups", self.groups.len(), limits::WORKER_GROUPS)?;
        if self.groups.is_empty() {
            return Err(SpecError::new("groups", Flaw::Empty));
        }
        for (place, group) in self.groups.iter().enumerate() {
            check_name(&format!("groups[{place}]"), group)?;
        }
        check_count("affinity", self.affinity.len(), limits::AFFINITY_KEYS)?;
        for (place, key) in self.affinity.iter().enumerate() {
            check_name(&format!("affinity[{place}]"), key)?;
        }
        for (field, text) in [("host", &self.host), ("poll_id", &self.poll_id)] {
            text.as_ref()
                .map_or(Ok(()), |text| check_name(field, text))?;
        }
        check_range("max", 1, limits::SLOTS, self.max.into())?;
        check_range("slots", 1, limits::SLOTS, self.slots.unwrap_or(1).into())?;
        check_wait("wait", self.wait)
    }
}

/// Refuses more items than a list may have.
pub(super) fn check_count(field: &str, got: usize, limit: usize) -> Result<(), SpecError> {
    if got <= limit {
        return Ok(());
    }
    let unit = "items";
    Err(SpecError::new(field, Flaw::TooLarge { limit, got, unit }))
}

/// Refuses a number outside its bounds.
pub(super) fn check_range(field: &str, min: u32, max: u32, got: u64) -> Result<(), SpecError> {
    let (min, max) = (u64::from(min), u64::from(max));
    if (min..=max).contains(&got) {
        return Ok(());
    }
    let got = got.to_string();
    Err(SpecError::new(field, Flaw::OutOfRange { min, max, got }))
}

/// Refuses to wait longer than one call may.
pub(super) fn check_wait(field: &str, wait: Span) -> Result<(), SpecError> {
    let max = limits::LONG_POLL_SECS;
    if wait <= Span(max * 1_000_000) {
        return Ok(());
    }
    let got = wait.as_secs_f64().to_string();
    Err(SpecError::new(field, Flaw::OutOfRange { min: 0, max, got }))
}

/// The leases that a poll got; none when there was no work in time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Leases {
    /// The poll that they belong to.
    pub poll_id: String,
    /// How long a lease lasts from when it was given or its last heartbeat was sent, in seconds.
    pub lease_ttl: Span,
    /// The leases.
    pub leases: Vec<Lease>,
}

/// The right to run one attempt. (task, attempt) is the token of every report about it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// The task, or the element of an array.
    pub task: String,
    /// The attempt.
    pub attempt: u32,
    /// The element's index, when the task is an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// What is to be done, as it was submitted; a payload that is no text is base64.
    pub spec: TaskSpec,
}

/// An attempt of a task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// The task or element.
    pub task: String,
    /// The attempt.
    pub attempt: u32,
}

/// The attempt runs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StartRequest {
    /// How long ago it began.
    pub ago: Span,
}

impl Body for StartRequest {}

/// The answer to a heartbeat: the lease lasts on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Heartbeat {
    /// How long, from when the heartbeat was sent, in seconds.
    pub lease_ttl: Span,
    /// The task was cancelled: stop it, then report `fail`.
    pub stop: bool,
}

/// The attempt did its work.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompleteRequest {
    /// What it returned.
    pub output: Option<Blob>,
    /// The output was cut by the worker.
    pub output_cut: bool,
    /// What it took.
    pub usage: Option<Usage>,
    /// The exit code of its process.
    pub exit_code: Option<i32>,
    /// The end of its stdout; with that of its stderr at most 16 KiB.
    pub stdout_tail: Option<Blob>,
    /// The end of its stderr.
    pub stderr_tail: Option<Blob>,
}

/// The attempt did not do its work.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FailRequest {
    /// What went wrong, for people; up to 4 KiB.
    pub message: Option<String>,
    /// `error` (default), `timeout`, `output_too_large`, `could_not_start` or `fatal`.
    pub reason: Option<String>,
    /// No further attempt can help.
    pub fatal: bool,
    /// What it returned nevertheless.
    pub output: Option<Blob>,
    /// What it took.
    pub usage: Option<Usage>,
    /// The exit code of its process.
    pub exit_code: Option<i32>,
    /// The signal that ended its process.
    pub signal: Option<i32>,
    /// The end of its stdout; with that of its stderr at most 16 KiB.
    pub stdout_tail: Option<Blob>,
    /// The end of its stderr.
    pub stderr_tail: Option<Blob>,
}

/// The attempt is over without a failure, and the task wants to be called again.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgainRequest {
    /// After this time.
    pub again_in: Span,
    /// What it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

impl Body for AgainRequest {}

impl Body for CompleteRequest {
    fn check(&self) -> Result<(), SpecError> {
        check_tails(&self.stdout_tail, &self.stderr_tail)
    }
}

impl Body for FailRequest {
    fn check(&self) -> Result<(), SpecError> {
        const REASONS: [&str; 5] = [
            "error",
            "timeout",
            "output_too_large",
            "could_not_start",
            "fatal",
        ];
        if let Some(got) = self
            .reason
            .as_ref()
            .filter(|r| !REASONS.contains(&r.as_str()))
        {
            let expected = "error, timeout, output_too_large, could_not_start or fatal";
            let got = crate::spec::shorten(got);
            return Err(SpecError::new("reason", Flaw::WrongType { expected, got }));
        }
        check_message("message", self.message.as_deref())?;
        check_tails(&self.stdout_tail, &self.stderr_tail)
    }
}

fn check_tails(stdout: &Option<Blob>, stderr: &Option<Blob>) -> Result<(), SpecError> {
    let bytes = |tail: &Option<Blob>| tail.as_ref().map_or(0, |blob| blob.0.len());
    let (limit, got) = (limits::LOG_TAIL_BYTES, bytes(stdout) + bytes(stderr));
    if got <= limit {
        return Ok(());
    }
    let unit = "bytes";
    let field = "stdout_tail and stderr_tail";
    Err(SpecError::new(field, Flaw::TooLarge { limit, got, unit }))
}

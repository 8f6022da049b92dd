//! A spec as JSON shows it, and as the OpenAPI document describes it. It is read by
//! [`super::parse_task`], whose refusals say more than a derived reader's would; that one is for
//! the answers of servers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::proto;
use crate::rest::Blob;
use crate::span::Span;
use crate::timestamp::Timestamp;

/// A task to run. Only `group` is required.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TaskSpec {
    /// The consumer group whose workers run it. 1 to 255 bytes, no control characters.
    #[schema(required = true, min_length = 1, max_length = 255)]
    pub group: String,
    /// Program and arguments, run without a shell by a worker that allows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(min_items = 1, max_items = 4096)]
    pub argv: Vec<String>,
    /// A text is delivered as its UTF-8 bytes, any other value as compact JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<serde_json::Value>,
    /// 1 to 9, 9 most urgent; default 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9)]
    pub priority: Option<u32>,
    /// Labels to find it and its like by: up to 32, each 1 to 255 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub tags: Vec<String>,
    /// Anything, kept with the task: up to 16 KiB of compact JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<serde_json::Value>,
    /// The same key and the same request give the same id, while the task lives and an hour after.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub dedup_key: Option<String>,
    /// Attempts that may fail before the task does; default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000000)]
    pub max_attempts: Option<u32>,
    /// The pause before a failed attempt is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffSpec>,
    /// Lost workers that are forgiven; default 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1000000)]
    pub max_lost: Option<u32>,
    /// How long one attempt may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How long to wait before it is queued. Not with `run_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// When it is queued. Not with `delay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// It fails when it has not started after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Span>,
    /// Keys; workers that announce them are preferred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64)]
    pub affinity: Vec<String>,
    /// Makes it an array of so many elements.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 50000000)]
    pub count: Option<u32>,
    /// What counts as its output; by default the file `CAPATAZ_OUTPUT` when written, else stdout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputMode>,
    /// Environment variables. Names beginning with `CAPATAZ_` are reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Variables and the names of the secrets that the worker puts into them; a list of names is
    /// taken too, for variables named like their secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_secret: BTreeMap<String, String>,
}

/// An exponential pause. A duration alone sets `initial`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Backoff)]
pub struct BackoffSpec {
    /// The pause after the first failure; default 1 second.
    pub initial: Span,
    /// What it is multiplied with after each further failure, 1 to 100; default 2.
    #[schema(minimum = 1, maximum = 100)]
    pub factor: f64,
    /// The longest pause; default 5 minutes.
    pub max: Span,
    /// By which share of itself a pause may be shortened at random, 0 to 1; default 0.25.
    #[schema(minimum = 0, maximum = 1)]
    pub jitter: f64,
}

/// What counts as a task's output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputMode {
    /// The file that the variable `CAPATAZ_OUTPUT` names.
    File,
    /// What it prints to stdout, cut at the limit.
    Stdout,
    /// Nothing.
    None,
}

impl From<&proto::TaskSpec> for TaskSpec {
    fn from(spec: &proto::TaskSpec) -> TaskSpec {
        let pairs = |list: &[proto::Variable]| {
            let pairs = list.iter().map(|v| (v.name.clone(), v.value.clone()));
            pairs.collect()
        };
        TaskSpec {
            group: spec.group.clone(),
            argv: spec.argv.clone(),
            payload: spec.payload.clone().map(|bytes| Blob(bytes).to_value()),
            priority: spec.priority,
            tags: spec.tags.clone(),
            meta: serde_json::from_str(&spec.meta).ok(),
            dedup_key: spec.dedup_key.clone(),
            max_attempts: spec.max_attempts,
            backoff: spec.backoff.as_ref().map(BackoffSpec::from),
            max_lost: spec.max_lost,
            timeout: spec.timeout_us.map(Span),
            delay: spec.delay_us.map(Span),
            run_at: spec.run_at_us.map(Timestamp),
            expires_in: spec.expires_in_us.map(Span),
            affinity: spec.affinity.clone(),
            count: spec.count,
            output: OutputMode::from_wire(spec.output()),
            env: pairs(&spec.env),
            env_secret: pairs(&spec.env_secret),
        }
    }
}

impl From<&proto::Backoff> for BackoffSpec {
    fn from(backoff: &proto::Backoff) -> BackoffSpec {
        BackoffSpec {
            initial: Span(backoff.initial_us),
            factor: f64::from(backoff.factor_percent) / 100.0,
            max: Span(backoff.cap_us),
            jitter: f64::from(backoff.jitter_percent) / 100.0,
        }
    }
}

impl OutputMode {
    fn from_wire(mode: proto::OutputMode) -> Option<OutputMode> {
        match mode {
            proto::OutputMode::Unspecified => Option::None,
            proto::OutputMode::File => Some(OutputMode::File),
            proto::OutputMode::Stdout => Some(OutputMode::Stdout),
            proto::OutputMode::None => Some(OutputMode::None),
        }
    }
}

//! The fields that a step shares with a task spec, and defaults with both.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::schema;

/// What a task spec may say, too, under the same names and with the same meaning.
#[derive(Clone, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct TaskFields {
    /// The consumer group whose workers run it. Required unless `defaults` names one, or for a
    /// noop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub group: Option<String>,
    /// Program and arguments: templates. Not in `defaults`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 4096))]
    pub argv: Vec<String>,
    /// Any value, with templates. A text is delivered as its bytes, any other value as compact
    /// JSON. Not in `defaults`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Environment variables: templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Variables and the names of the secrets that the worker puts into them, or a list of names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::secrets")]
    pub env_secret: Option<Value>,
    /// Labels: up to 32 templates, each 1 to 255 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub tags: Option<Vec<String>>,
    /// Anything, kept with the task, with templates: up to 16 KiB of compact JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Value>,
    /// 1 to 9, 9 most urgent; default: the workflow's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9))]
    pub priority: Option<u32>,
    /// Attempts that may fail before the step does; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub max_attempts: Option<u32>,
    /// The pause before a failed attempt is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::backoff")]
    pub backoff: Option<Value>,
    /// Lost workers that are forgiven; default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000000))]
    pub max_lost: Option<u32>,
    /// How long one attempt may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::span")]
    pub timeout: Option<Value>,
    /// How long to wait, once it is ready, before it is queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::span")]
    pub delay: Option<Value>,
    /// It fails when it has not started so long after it became ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::span")]
    pub expires_in: Option<Value>,
    /// Keys, as templates; workers that announce them are preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub affinity: Option<Vec<String>>,
    /// What counts as its output: `file`, `stdout` or `none`; default the file when one was
    /// written, else stdout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::output")]
    pub output: Option<String>,
}

impl TaskFields {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == TaskFields::default()
    }

    /// The fields that are there, by their names in a task spec.
    pub(crate) fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            // Texts, numbers and values in a struct always give an object.
            _ => Map::new(),
        }
    }
}

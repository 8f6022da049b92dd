//! A workflow's own fields.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::fields::TaskFields;
use super::schema;
use super::step::StepDefinition;

/// A workflow: a graph of steps, and how its runs behave.
#[derive(Clone, PartialEq, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Capataz workflow")]
pub struct Definition {
    /// What runs name it by. 1 to 255 bytes, no control characters.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What a run is given, by name.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "named"
    )]
    #[schemars(with = "BTreeMap<String, Parameter>")]
    pub parameters: Vec<(String, Parameter)>,
    /// Fields of every step that does not say otherwise. Variables of `env` are added one by one.
    #[serde(default, skip_serializing_if = "TaskFields::is_empty")]
    pub defaults: TaskFields,
    /// 1 to 9, 9 most urgent; orders runs, and is the priority of steps that name none. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9))]
    pub priority: Option<u32>,
    /// Labels of each run: up to 32 templates over `params`, each 1 to 255 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tags: Vec<String>,
    /// Runs that may live at once; others wait. Default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub max_runs: Option<u32>,
    /// Tasks of steps that may be queued or running at once, over all runs. Default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub max_steps: Option<u32>,
    /// Holds new runs back while runs keep failing. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// A template over `params`: of the runs with the same key, one lives at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_key: Option<String>,
    /// What a run does whose `conflict_key` is taken.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_conflict: OnConflict,
    /// Prefer the worker that ran the first step for the other steps of a run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sticky: bool,
    /// The message that a run begins with: any value, with templates over `params`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Value>,
    /// Starts a successor when a run has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// What a run that succeeds returns: any value, with templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The steps, in any order: 1 to 100,000.
    #[schemars(length(min = 1, max = 100000))]
    pub steps: Vec<StepDefinition>,
}

/// A parameter of a workflow.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Parameter {
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// What it is when a run is not given it. Without one it is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The only values that are taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "enum")]
    pub choices: Vec<Value>,
}

/// The type of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterType {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of anything.
    List,
    /// A map of anything.
    Object,
}

/// How new runs are held back when runs keep failing. What is not given is the default.
#[derive(Clone, PartialEq, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Backoff {
    /// After so many runs that failed in a row; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub after: Option<u32>,
    /// The first pause; default 1 second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::span")]
    pub initial: Option<Value>,
    /// What the pause is multiplied with after each further failure, 1 to 100; default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub factor: Option<f64>,
    /// The longest pause; default 5 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::span")]
    pub max: Option<Value>,
}

/// What a run does whose conflict key is taken by a live run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// It waits until that run has ended.
    #[default]
    Wait,
    /// It is not started.
    Refuse,
}

/// The loop of a workflow that names itself as its successor.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Repeat {
    /// An expression; once it is true, no successor is started.
    #[schemars(schema_with = "schema::expression")]
    pub until: String,
    /// Parameters of the successor that differ from the run's: values with templates.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// Runs in a row, the first included; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub max: Option<u32>,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Named values as a map that keeps their order.
fn named<S: serde::Serializer>(
    pairs: &[(String, Parameter)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

//! A step's own fields.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::fields::TaskFields;
use super::model::is_default;
use super::schema;

/// A step of a workflow: a task with its place in the graph.
#[derive(Clone, PartialEq, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StepDefinition {
    /// What others name it by: 1 to 255 bytes, no control characters, unique in the workflow.
    #[schemars(length(min = 1, max = 255))]
    pub id: String,
    /// The steps that it waits for. A list, or a single one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::after")]
    pub after: Vec<After>,
    /// Whether it waits for all of them or for any one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub join: Join,
    /// An expression, evaluated when the step is ready; when it is false the step is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::expression")]
    pub when: Option<String>,
    /// Runs the step once for each element, as `item` and `index`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
    /// Elements that may run at once; default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub parallelism: Option<u32>,
    /// About how long it takes, as long as no run has shown it. Of the steps that are ready the one
    /// with the longest way to the end of the run goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::span")]
    pub expected: Option<Value>,
    /// The run may succeed though this step fails.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_failure: bool,
    /// There is nothing to run: it only starts, branches or joins.
    #[serde(default, skip_serializing_if = "is_default")]
    pub noop: bool,
    /// Its output, which must be JSON, becomes the run's message for the steps after it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub alters_message: bool,
    /// What it runs, and how.
    #[serde(flatten)]
    pub task: TaskFields,
}

/// An edge of the graph.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct After {
    /// The step before.
    pub step: String,
    /// How it must have ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on: On,
}

/// How a step must have ended for an edge to be taken.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// It succeeded.
    #[default]
    Success,
    /// It failed.
    Failure,
    /// It ended, however.
    Any,
}

/// How many of the steps before must have ended as asked.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// Every one.
    #[default]
    All,
    /// One of them.
    Any,
}

/// What a step runs over.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ForEach {
    /// An expression that gives a list.
    Expression(String),
    /// The elements themselves: values with templates.
    List(Vec<Value>),
}

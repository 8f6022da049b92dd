//! What is asked of runs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::lease::check_wait;
use super::submit::check_message;
use super::{Body, present};
use crate::limits;
use crate::span::Span;
use crate::spec::{Flaw, SpecError, check_name};

/// Starts a run: of a registered workflow by its name, or of the definition that comes with it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRunRequest {
    /// The name of a registered workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub workflow: Option<String>,
    /// The version that must be the registered one: another is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// A definition, as JSON or as a text in YAML or JSON; it is not registered by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub definition: Option<Value>,
    /// Its parameters by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// The message that it begins with, in place of the workflow's: any value, and `null` is one;
    /// up to 256 KiB as compact JSON.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Object)]
    pub message: Option<Value>,
    /// The same key and request give the same run: while it lives, and an hour after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub key: Option<String>,
    /// Of the runs of a workflow with the same text one lives at a time; by default as the workflow
    /// says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub conflict_key: Option<String>,
    /// `wait` or `refuse`: what happens while another run has the conflict key; by default as the
    /// workflow says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<OnRunConflict>,
    /// 1 to 9, 9 most urgent; by default the workflow's. It orders the runs that wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9)]
    pub priority: Option<u32>,
    /// Labels on top of those of the workflow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub tags: Vec<String>,
}

/// What happens to a run whose conflict key is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRunConflict {
    /// It waits until the other has ended.
    Wait,
    /// It is not started.
    Refuse,
}

impl Body for StartRunRequest {
    fn check(&self) -> Result<(), SpecError> {
        let names = [
            ("workflow", &self.workflow),
            ("key", &self.key),
            ("conflict_key", &self.conflict_key),
        ];
        for (field, name) in names {
            name.as_ref()
                .map_or(Ok(()), |name| check_name(field, name))?;
        }
        match (&self.workflow, &self.definition) {
            (None, None) => {
                return Err(SpecError::new("workflow or definition", Flaw::Missing));
            }
            (Some(_), Some(_)) => {
                let other = "workflow";
                return Err(SpecError::new("definition", Flaw::Excludes { other }));
            }
            _ => {}
        }
        if let Some(got) = self.priority {
            let range = limits::PRIORITY_MIN..=limits::PRIORITY_MAX;
            if !range.contains(&got) {
                let (min, max) = (limits::PRIORITY_MIN.into(), limits::PRIORITY_MAX.into());
                let got = got.to_string();
                return Err(SpecError::new(
                    "priority",
                    Flaw::OutOfRange { min, max, got },
                ));
            }
        }
        if self.tags.len() > limits::TAGS {
            let (limit, got, unit) = (limits::TAGS, self.tags.len(), "tags");
            return Err(SpecError::new("tags", Flaw::TooLarge { limit, got, unit }));
        }
        for (place, tag) in self.tags.iter().enumerate() {
            check_name(&format!("tags[{place}]"), tag)?;
        }
        Ok(())
    }
}

fn check_steps(got: usize) -> Result<(), SpecError> {
    let (limit, unit) = (limits::LIST_LIMIT, "steps");
    match got {
        0 => Err(SpecError::new("steps", Flaw::Empty)),
        _ if got > limit => Err(SpecError::new("steps", Flaw::TooLarge { limit, got, unit })),
        _ => Ok(()),
    }
}

/// A run was accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunStarted {
    /// Its id.
    pub id: String,
    /// The store shows it once it has reached this position.
    pub position: u64,
}

/// Runs steps of a run once more.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RerunRequest {
    /// The steps to begin from.
    #[schema(min_items = 1, max_items = 10000)]
    pub steps: Vec<String>,
    /// Whether everything after them runs again too; default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descendants: Option<bool>,
}

impl Body for RerunRequest {
    fn check(&self) -> Result<(), SpecError> {
        check_steps(self.steps.len())
    }
}

/// Adds steps to a run: a step that runs those of its own run, an operator those of any.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddStepsRequest {
    /// The task of the step that adds them, which shows that it is one of the run's. Operators
    /// leave it out, and the attempt with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Its attempt, which must hold the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The new steps, as in a definition: a list of them, or a text in YAML or JSON. They may come
    /// after any step of the run.
    pub steps: Value,
}

impl Body for AddStepsRequest {
    fn check(&self) -> Result<(), SpecError> {
        match (&self.task, self.attempt) {
            (Some(_), None) => Err(SpecError::new("attempt", Flaw::Missing)),
            (None, Some(_)) => Err(SpecError::new("task", Flaw::Missing)),
            // The steps are read where it is known what a step is.
            _ => Ok(()),
        }
    }
}

/// Waits for a run to end.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunWaitRequest {
    /// How long, up to a minute; 0 looks and answers at once. Default 0.
    #[serde(default)]
    pub timeout: Span,
}

impl Body for RunWaitRequest {
    fn check(&self) -> Result<(), SpecError> {
        check_wait("timeout", self.timeout)
    }
}

/// Cancels a run.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRunRequest {
    /// Why, for the audit trail; up to 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Body for CancelRunRequest {
    fn check(&self) -> Result<(), SpecError> {
        check_message("note", self.note.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::parse_body;

    #[test]
    fn null_is_a_message_and_absence_is_none() {
        for (json, message) in [
            (r#"{"workflow":"w"}"#, None),
            (r#"{"workflow":"w","message":null}"#, Some(Value::Null)),
            (
                r#"{"workflow":"w","message":{"id":7}}"#,
                Some(json!({"id": 7})),
            ),
        ] {
            let request = parse_body::<StartRunRequest>(json.as_bytes()).expect(json);
            assert_eq!(request.message, message, "{json}");
            assert_eq!(serde_json::to_string(&request).ok().as_deref(), Some(json));
        }
    }
}

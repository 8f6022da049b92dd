//! What is started: a run of a workflow.

use capataz_api::client::{Client, ClientError};
use capataz_api::rest::{OnRunConflict, RunDetail, StartRunRequest};
use capataz_workflow::Definition;
use serde_json::Value;

/// A run to start. Definition and parameters are checked when it is started.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    request: StartRunRequest,
}

impl Run {
    /// A run of a definition, which is not registered by this: what a program builds for one piece
    /// of work.
    pub fn of(definition: &Definition) -> Run {
        Run {
            request: StartRunRequest {
                definition: Some(definition.to_json()),
                ..StartRunRequest::default()
            },
        }
    }

    /// A run of a registered workflow: see [`Client::put_workflow`].
    pub fn named(workflow: impl Into<String>) -> Run {
        Run {
            request: StartRunRequest {
                workflow: Some(workflow.into()),
                ..StartRunRequest::default()
            },
        }
    }

    /// Gives it a parameter, of the type that the workflow asks for.
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Run {
        self.request.parameters.insert(name.into(), value.into());
        self
    }

    /// The message that it begins with, in place of the workflow's: any value.
    pub fn message(mut self, message: impl Into<Value>) -> Run {
        self.request.message = Some(message.into());
        self
    }

    /// Starting it again with the same key and content gives the same run, while it lives and an
    /// hour after.
    pub fn key(mut self, key: impl Into<String>) -> Run {
        self.request.key = Some(key.into());
        self
    }

    /// Of the runs of a workflow with the same key one lives at a time; the workflow's own by
    /// default.
    pub fn conflict_key(mut self, key: impl Into<String>, on_conflict: OnRunConflict) -> Run {
        self.request.conflict_key = Some(key.into());
        self.request.on_conflict = Some(on_conflict);
        self
    }

    /// 1 to 9, 9 most urgent; the workflow's by default.
    pub fn priority(mut self, priority: u32) -> Run {
        self.request.priority = Some(priority);
        self
    }

    /// Adds a label to find it by.
    pub fn tag(mut self, tag: impl Into<String>) -> Run {
        self.request.tags.push(tag.into());
        self
    }
}

impl From<Run> for StartRunRequest {
    fn from(run: Run) -> StartRunRequest {
        run.request
    }
}

/// Waits until a run has ended, however it ends, and returns it with its steps and its result.
/// [`Client::wait_run`] can give up and show progress.
///
/// # Errors
///
/// As [`Client::wait_run`].
pub async fn wait_for_run(client: &Client, id: &str) -> Result<RunDetail, ClientError> {
    client.wait_run(id, None, |_| {}).await?;
    client.whole_run(id).await
}

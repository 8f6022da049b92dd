//! `run add-steps`

use std::path::PathBuf;

use capataz_api::rest::AddStepsRequest;
use serde::Deserialize;
use serde_json::Value;

use crate::commands::Context;
use crate::failure::{Exit, Failure, Told};
use crate::output::IdList;
use crate::runs::definition::{FileError, read};

/// Add steps to a run, from inside of a step of it that runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  echo '[{\"id\": \"more\", \"argv\": [\"true\"]}]' | capataz run add-steps --file -

Run, task and attempt are known from the variables that a step is started with: CAPATAZ_RUN,
CAPATAZ_TASK_ID and CAPATAZ_ATTEMPT. A step is not given the worker's token: set CAPATAZ_SERVER and
CAPATAZ_TOKEN, or let the worker pass them on with --env-pass.")]
pub(super) struct AddSteps {
    /// The run [default: the one of the step]
    #[arg(env = "CAPATAZ_RUN", hide_env = true)]
    id: String,
    /// The steps in JSON, as in a definition: a list, or an object with `steps`; `-` is stdin
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

/// Steps in a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Steps {
    List(Vec<Value>),
    Document { steps: Vec<Value> },
}

/// The command does not run inside of a step.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is not set, so this is not inside of a step")]
struct NoStep {
    variable: &'static str,
}

impl Told for NoStep {
    fn hint(&self) -> Option<String> {
        Some("only a step that runs can add steps to its run".to_owned())
    }
}

impl AddSteps {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let task = variable("CAPATAZ_TASK_ID")?;
        let attempt = variable("CAPATAZ_ATTEMPT")?.parse().map_err(|_| NoStep {
            variable: "CAPATAZ_ATTEMPT",
        })?;
        let steps = serde_json::from_str(&read(&self.file)?);
        let steps = match steps.map_err(|cause| FileError::NotJson {
            path: self.file,
            expected: "a JSON list of steps, or an object with `steps`",
            cause,
        })? {
            Steps::List(steps) | Steps::Document { steps } => steps,
        };
        let ids: Vec<String> = steps.iter().filter_map(id_of).collect();
        let request = AddStepsRequest {
            task,
            attempt,
            steps,
        };
        context.client()?.add_steps(&self.id, &request).await?;
        let mut list = IdList::begin(context.output)?;
        list.add(ids.iter().map(String::as_str))?;
        list.end(None::<(&str, &())>)?;
        Ok(Exit::Success)
    }
}

fn variable(variable: &'static str) -> Result<String, NoStep> {
    std::env::var(variable).map_err(|_| NoStep { variable })
}

fn id_of(step: &Value) -> Option<String> {
    step.get("id")?.as_str().map(str::to_owned)
}

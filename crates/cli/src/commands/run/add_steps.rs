//! `run add-steps`

use std::path::PathBuf;

use capataz_api::client::ClientError;
use capataz_api::rest::AddStepsRequest;
use capataz_workflow::AddedSteps;
use serde_json::Value;

use crate::commands::Context;
use crate::failure::{Exit, Failure, Told};
use crate::output::IdList;
use crate::runs::definition::{FileError, read, tell, tell_all};

/// The variables that a step is started with.
const RUN: &str = "CAPATAZ_RUN";
const TASK: &str = "CAPATAZ_TASK_ID";
const ATTEMPT: &str = "CAPATAZ_ATTEMPT";

/// Add steps to a run that is under way: as its operator, or from inside of a step of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz run add-steps r17 --file more.yaml
  echo '[{\"id\": \"more\", \"group\": \"g\", \"argv\": [\"true\"]}]' | capataz run add-steps --file -

Inside of a step that runs its run, task and attempt are known from the variables CAPATAZ_RUN,
CAPATAZ_TASK_ID and CAPATAZ_ATTEMPT, and are what shows that it may add steps. A step is not given
the worker's token: set CAPATAZ_SERVER and CAPATAZ_TOKEN, or let the worker pass them on with
--env-pass. With that token the new steps must be of the worker's groups, and name no secret that
the run's steps in these groups do not name already. Anywhere else the token must be one of an
operator.

The ids of the new steps go to stdout. Exit code 1 when the file is refused; each flaw is told with
its line and column.")]
pub(super) struct AddSteps {
    /// The run [default: the one of the step]
    #[arg(env = RUN, hide_env = true)]
    id: String,
    /// The steps in YAML or JSON, as in a definition: a list, or a map with `steps`; `-` is stdin
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

/// The variables of a step are not what a worker sets.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is {got:?}, which no worker sets")]
struct NoStep {
    variable: &'static str,
    got: String,
}

impl Told for NoStep {}

impl AddSteps {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let text = read(&self.file)?;
        let steps = AddedSteps::parse(&text).map_err(|refusal| {
            tell(&self.file, &refusal);
            self.refused()
        })?;
        let (task, attempt) = self.step()?.unzip();
        let request = AddStepsRequest {
            task,
            attempt,
            // As it is: the server knows the places of what it does not take.
            steps: Value::String(text),
        };
        let added = context.client()?.add_steps(&self.id, &request).await;
        if let Err(ClientError::Refused(problem)) = &added
            && !problem.flaws.is_empty()
        {
            tell_all(&self.file, &problem.flaws);
            return Err(self.refused().into());
        }
        added?;
        let mut list = IdList::begin(context.output)?;
        list.add(steps.ids())?;
        list.end(None::<(&str, &())>)?;
        Ok(Exit::Success)
    }

    fn refused(&self) -> FileError {
        FileError::Refused {
            path: self.file.clone(),
        }
    }

    /// The task and attempt of the step that this runs in, when that is one of the run.
    fn step(&self) -> Result<Option<(String, u32)>, NoStep> {
        let is_own = std::env::var(RUN).is_ok_and(|run| run == self.id);
        let step = (std::env::var(TASK), std::env::var(ATTEMPT));
        let (true, (Ok(task), Ok(attempt))) = (is_own, step) else {
            return Ok(None);
        };
        match attempt.parse() {
            Ok(attempt) => Ok(Some((task, attempt))),
            Err(_) => Err(NoStep {
                variable: ATTEMPT,
                got: attempt,
            }),
        }
    }
}

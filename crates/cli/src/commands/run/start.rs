//! `run start`

use std::path::PathBuf;

use capataz_api::Span;
use capataz_api::client::Client;
use capataz_api::rest::{OnRunConflict, StartRunRequest};
use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::reports::{EndedRun, StartedRuns};
use crate::runs::definition;
use crate::runs::each_line;
use crate::runs::message;
use crate::runs::parameters::{Given, lay_over, of_file};
use crate::runs::picture::whole;
use crate::runs::waiting::{Waiting, exit};

const EXAMPLES: &str = "\
Examples:
  capataz run start etl --param day=2026-01-01 --wait --progress
  capataz run start etl --param 'days:=[\"mon\", \"tue\"]' --key monday
  capataz run start --file etl.yaml --wait
  capataz run start order --message '{\"id\": 7}'
  capataz run start etl --each-line days.jsonl --key january --wait

The id goes to stdout. With --wait it ends with 0 when the run succeeded, 2 when it failed, 3 when
it was cancelled, 4 when the time was over; 5 when there is no such workflow.";

/// Start a run: of a registered workflow, or of a file.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Start {
    /// The workflow
    #[arg(value_name = "NAME", required_unless_present = "file")]
    name: Option<String>,
    /// A file with the definition to run, which is not registered by this; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    file: Option<PathBuf>,
    /// A parameter, NAME=VALUE or NAME:=JSON; may be repeated. A VALUE becomes the parameter's type
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE")]
    given: Vec<Given>,
    /// A file with parameters, one JSON object; `-` is stdin. Those of --param come on top
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Start a run for each line of a file, a JSON object with its own parameters, which come on top of
    /// the others; `-` is stdin. With --key the key of line N is KEY:N
    #[arg(long, value_name = "FILE")]
    each_line: Option<PathBuf>,
    /// The message that it begins with, in place of the workflow's: JSON, or else a text
    #[arg(long, value_name = "TEXT", value_parser = message::of_text)]
    message: Option<Value>,
    /// The same, from a file; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "message")]
    message_file: Option<PathBuf>,
    /// Starting it again with the same key gives the same run, while it lives and an hour after
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// A label to find it by; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// 1 to 9, 9 most urgent [default: the workflow's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=9))]
    priority: Option<u32>,
    /// Of the runs of a workflow with the same text one lives at a time [default: the workflow's]
    #[arg(long, value_name = "TEXT")]
    conflict_key: Option<String>,
    /// What happens while another run has the conflict key: wait or refuse [default: the workflow's]
    #[arg(long, value_name = "wait|refuse", hide_possible_values = true)]
    on_conflict: Option<OnConflict>,
    /// Wait until it has ended, and show how
    #[arg(long)]
    wait: bool,
    /// Show how many steps are done, on stderr
    #[arg(long, requires = "wait")]
    progress: bool,
    /// Give up waiting after this time
    #[arg(long, value_name = "DURATION", requires = "wait")]
    timeout: Option<Span>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnConflict {
    Wait,
    Refuse,
}

impl Start {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (wait, progress, timeout) = (self.wait, self.progress, self.timeout);
        let definition = match &self.file {
            Some(file) => Some(definition::workflow(file)?.to_json()),
            None => None,
        };
        let client = context.client()?;
        let each_line = self.each_line.clone();
        let request = self.request(&client, definition).await?;
        if let Some(file) = each_line {
            let started = each_line::start(&client, &file, &request).await?;
            let waiting = wait.then(|| Waiting::new(&client, timeout.map(Into::into), progress));
            return many(context, started, waiting).await;
        }
        let started = client.start_run(&request).await?;
        if !wait {
            context.output.show(&started)?;
            return Ok(Exit::Success);
        }
        let mut waiting = Waiting::new(&client, timeout.map(Into::into), progress);
        let ended = waiting.run(&started.id).await;
        waiting.finish();
        // Whoever waited in vain still learns which run it is, and how far.
        let run = whole(&client, &started.id, None).await?;
        context.output.show(&EndedRun(run))?;
        Ok(exit(ended?.state))
    }

    async fn request(
        self,
        client: &Client,
        definition: Option<Value>,
    ) -> Result<StartRunRequest, Failure> {
        let mut parameters = match &self.params {
            Some(file) => of_file(file)?,
            None => Map::new(),
        };
        let message = match (self.message, &self.message_file) {
            (None, Some(file)) => Some(message::of_file(file)?),
            (message, _) => message,
        };
        let untyped = |given: &Given| matches!(given, Given::Text(..));
        let asked = match &self.name {
            Some(name) if self.given.iter().any(untyped) => {
                Some(client.workflow(name).await?.definition)
            }
            _ => None,
        };
        lay_over(
            &mut parameters,
            self.given,
            asked.as_ref().or(definition.as_ref()),
        );
        Ok(StartRunRequest {
            workflow: self.name,
            definition,
            parameters,
            message,
            key: self.key,
            conflict_key: self.conflict_key,
            on_conflict: self.on_conflict.map(|on_conflict| match on_conflict {
                OnConflict::Wait => OnRunConflict::Wait,
                OnConflict::Refuse => OnRunConflict::Refuse,
            }),
            priority: self.priority,
            tags: self.tags,
            ..StartRunRequest::default()
        })
    }
}

/// Shows many runs, once they have ended if they are waited for.
async fn many(
    context: &Context,
    started: each_line::Started,
    waiting: Option<Waiting<'_>>,
) -> Result<Exit, Failure> {
    let each_line::Started { ids, refused } = started;
    let exit = match waiting {
        Some(waiting) => waiting.all(context, &ids).await?,
        None => {
            context.output.show(&StartedRuns { ids })?;
            Exit::Success
        }
    };
    refused.map_or(Ok(exit), |refused| Err(refused.into()))
}

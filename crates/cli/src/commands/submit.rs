//! `submit`

use std::path::PathBuf;

use capataz_api::Span;
use capataz_api::client::{Client, ClientError, Ids};
use capataz_api::limits::WAIT_IDS;
use capataz_api::rest::WaitRequest;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::output::IdList;
use crate::progress::{Progress, Tally};
use crate::submit::{IdRuns, Input, Source, SubmitError, TaskFlags, read_ahead};
use crate::waiting::{Ended, Waiting};

const EXAMPLES: &str = "\
Examples:
  capataz submit --group files -- sha256sum a.txt
  capataz submit --group files --each-line list.txt --tag nightly --wait -- sha256sum {}
  capataz submit --json-lines specs.jsonl --progress
  capataz submit --group grid --count 1000000 --tag risk -- ./price

Ids go to stdout, one a line. A regular file is checked as a whole before anything is submitted;
what comes through a pipe is submitted batch by batch, each batch whole or not at all.
With --wait it ends with 2 when a task failed, with 3 when one was cancelled and none failed.";

/// Submit tasks: one command, one for each line of a file, or a file of task specs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Submit {
    /// A task for each line of this file, which takes the place of {} in ARGV; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "json_lines")]
    each_line: Option<PathBuf>,
    /// Task specs, one JSON object a line; `-` is stdin. Flags stand in for fields that a line
    /// leaves out, and tags come on top
    #[arg(long, value_name = "FILE", conflicts_with_all = ["argv", "payload_file"])]
    json_lines: Option<PathBuf>,
    /// Wait until all of it has ended
    #[arg(long)]
    wait: bool,
    /// Give up waiting after this time
    #[arg(long, value_name = "DURATION", requires = "wait")]
    wait_timeout: Option<Span>,
    /// Show how far it is, on stderr
    #[arg(long)]
    progress: bool,
    /// The command, after `--`; run without a shell by workers that allow it
    #[arg(last = true, value_name = "ARGV")]
    argv: Vec<String>,
    // The last, since its heading would go on over what follows.
    #[command(flatten)]
    task: TaskFlags,
}

impl Submit {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let source = self.source()?;
        let client = context.client()?;
        let mut list = IdList::begin(context.output)?;
        let mut ids = IdRuns::default();
        let submitted = self.submit(&client, source, &mut list, &mut ids).await;
        if submitted.is_err() || !self.wait {
            // What was accepted before an error is known to the caller, and the JSON is whole.
            list.end(None::<(&str, &())>)?;
            return submitted.map(|()| Exit::Success);
        }
        match self.wait_for(&client, &ids).await {
            Ok(ended) => {
                list.end(Some(("counts", &ended.counts)))?;
                Ok(ended.exit())
            }
            Err(failure) => {
                list.end(None::<(&str, &())>)?;
                Err(failure)
            }
        }
    }

    fn source(&self) -> Result<Source, SubmitError> {
        match (&self.each_line, &self.json_lines) {
            (Some(file), _) => {
                Source::each_line(&self.task, self.argv.clone(), Input::from(file.clone()))
            }
            (None, Some(file)) => Ok(Source::json_lines(&self.task, Input::from(file.clone()))),
            (None, None) => Source::one(&self.task, self.argv.clone()),
        }
    }

    /// Submits everything, batch by batch, reading on while a batch is under way.
    async fn submit(
        &self,
        client: &Client,
        source: Source,
        list: &mut IdList,
        ids: &mut IdRuns,
    ) -> Result<(), Failure> {
        let mut batches = read_ahead(source);
        let total = batches.count().await?;
        let mut progress = Progress::new(self.progress && !self.wait && total != Some(1));
        let tally = |done: u64| Tally {
            total: total.unwrap_or(done),
            done,
            ..Tally::default()
        };
        while let Some(batch) = batches.next().await {
            match client.submit_batch(batch?).await {
                Ok(accepted) => keep(&accepted.ids, list, ids)?,
                Err(ClientError::Incomplete { accepted, cause }) => {
                    keep(&accepted, list, ids)?;
                    return Err((*cause).into());
                }
                Err(error) => return Err(error.into()),
            }
            progress.show(tally(ids.count()));
        }
        progress.finish(tally(ids.count()));
        Ok(())
    }

    async fn wait_for(&self, client: &Client, ids: &IdRuns) -> Result<Ended, Failure> {
        let timeout = self.wait_timeout.map(Into::into);
        let mut waiting = Waiting::new(client, timeout, self.progress, ids.count());
        for ids in ids.sets(WAIT_IDS) {
            waiting
                .set(WaitRequest {
                    ids,
                    ..WaitRequest::default()
                })
                .await?;
        }
        Ok(waiting.finish())
    }
}

fn keep(accepted: &Ids, list: &mut IdList, ids: &mut IdRuns) -> Result<(), Failure> {
    accepted.numbers().for_each(|id| ids.add(id));
    let texts: Vec<String> = accepted.iter().collect();
    list.add(texts.iter().map(String::as_str))
}

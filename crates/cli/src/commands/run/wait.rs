//! `run wait`

use capataz_api::Span;
use capataz_api::client::{Client, ClientError};
use capataz_api::rest::{RunsQuery, TaskState};

use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::runs::waiting::Waiting;

/// Wait until runs have ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz run wait r17 r18
  capataz run wait --tag nightly --progress

With --tag, what lives when the command begins is waited for; nothing alive is success.
Ends with 2 when any run failed, 3 when any was cancelled and none failed, 4 when the time was
over, 5 when an id is unknown.")]
pub(super) struct Wait {
    /// Runs
    #[arg(value_name = "ID", required_unless_present = "tag")]
    ids: Vec<String>,
    /// All runs with a tag
    #[arg(long, value_name = "TAG", conflicts_with = "ids")]
    tag: Option<String>,
    /// Give up after this time
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
    /// Show how many steps are done, on stderr
    #[arg(long)]
    progress: bool,
}

impl Wait {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        let ids = match self.tag {
            Some(tag) => alive(&client, tag).await?,
            None => self.ids,
        };
        let waiting = Waiting::new(&client, self.timeout.map(Into::into), self.progress);
        waiting.all(context, &ids).await
    }
}

/// The live runs with a tag.
async fn alive(client: &Client, tag: String) -> Result<Vec<String>, ClientError> {
    let mut query = RunsQuery {
        tag: Some(tag),
        state: vec![TaskState::Queued, TaskState::Running],
        limit: Some(capataz_api::limits::LIST_LIMIT),
        ..RunsQuery::default()
    };
    let mut ids = Vec::new();
    loop {
        let page = client.runs(&query).await?;
        ids.extend(page.items.into_iter().map(|run| run.id));
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            return Ok(ids);
        }
    }
}

//! `run list`

use capataz_api::rest::{RunsQuery, TaskState};

use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::runs::moment::Moment;

/// List runs, the newest first.
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "ls",
    after_help = "Examples:
  capataz run list --workflow etl --state failed --since 1d
  capataz run list --tag nightly --output json"
)]
pub(super) struct List {
    /// Of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// In one of these states: queued, running, succeeded, failed, cancelled
    #[arg(long, value_name = "STATE,...", value_delimiter = ',')]
    state: Vec<TaskState>,
    /// With this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Accepted then or later: a time (RFC 3339), or how long ago
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// At most this many, 1 to 10,000
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on after the page that ended with this cursor
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let query = RunsQuery {
            workflow: self.workflow,
            state: self.state,
            tag: self.tag,
            since: self.since.map(|since| since.0),
            limit: Some(self.limit as usize),
            cursor: self.cursor,
            position: None,
        };
        context
            .output
            .show(&context.client()?.runs(&query).await?)?;
        Ok(Exit::Success)
    }
}

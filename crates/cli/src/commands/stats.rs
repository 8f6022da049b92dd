//! `stats`

use capataz_api::rest::StatsQuery;

use super::Context;
use crate::failure::{Exit, Failure};

/// Show how many tasks are where, how fast they end and when they will all have ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz stats
  capataz stats --tag nightly        how far is the whole job?")]
pub(crate) struct Stats {
    /// Only tasks with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Only tasks of this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
}

impl Stats {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let query = StatsQuery {
            group: self.group,
            tag: self.tag,
        };
        context
            .output
            .show(&context.client()?.stats(&query).await?)?;
        Ok(Exit::Success)
    }
}

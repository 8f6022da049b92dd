//! `wait`

use capataz_api::Span;
use capataz_api::rest::WaitRequest;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::waiting::Waiting;

const EXAMPLES: &str = "\
Examples:
  capataz wait 17 18
  capataz wait --tag nightly --progress
  capataz wait --group files --timeout 10m

What lives when the command begins is waited for; nothing alive is success.
Ends with 2 when any of it failed, 3 when any was cancelled and none failed, 4 when the time
was over, 5 when an id is unknown.";

/// Wait until tasks have ended.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Wait {
    /// Tasks, or elements of arrays (`17.3`)
    #[arg(value_name = "ID", required_unless_present_any = ["group", "tag"])]
    ids: Vec<String>,
    /// All tasks of a group
    #[arg(long, value_name = "NAME", conflicts_with_all = ["ids", "tag"])]
    group: Option<String>,
    /// All tasks with a tag
    #[arg(long, value_name = "TAG", conflicts_with = "ids")]
    tag: Option<String>,
    /// Give up after this time
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
    /// Show how far it is, on stderr
    #[arg(long)]
    progress: bool,
}

impl Wait {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        let timeout = self.timeout.map(Into::into);
        let mut waiting = Waiting::new(&client, timeout, self.progress, 0);
        let Wait {
            ids, group, tag, ..
        } = self;
        waiting
            .set(WaitRequest {
                ids,
                group,
                tag,
                ..WaitRequest::default()
            })
            .await?;
        let ended = waiting.finish();
        context.output.show(&ended)?;
        Ok(ended.exit())
    }
}

//! `events`

use capataz_api::rest::EventsQuery;

use super::Context;
use crate::failure::{Exit, Failure};

/// The cursor before the oldest event.
const BEGINNING: &str = "0";

/// Print what happened, one JSON object a line, oldest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz events
  capataz events --follow
  capataz events --after CURSOR --follow     go on where the last one stopped

Every line has a `cursor`. A line of type `gap` says that history before it was dropped.")]
pub(crate) struct Events {
    /// Begin after the event with this cursor [default: the oldest that is kept]
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Only of this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Only of tasks with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Only of this task
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Only of this run and its steps
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Wait for what happens next
    #[arg(long, short)]
    follow: bool,
}

impl Events {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let after = self.after.or_else(|| Some(BEGINNING.to_owned()));
        let (group, tag, task) = (self.group, self.tag, self.task);
        let query = EventsQuery {
            after,
            group,
            tag,
            task,
            run: self.run,
            follow: Some(self.follow),
        };
        let mut events = context.client()?.events(query);
        while let Some(event) = events.next().await {
            context.output.json_line(&event?)?;
        }
        Ok(Exit::Success)
    }
}

//! `task`

use capataz_api::client::ClientError;
use capataz_api::rest::{Changed, TaskState, TasksQuery};
use clap::Subcommand;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::output::IdList;

const LIST_EXAMPLES: &str = "\
Examples:
  capataz task list --group files --state failed
  capataz task list --tag nightly --limit 10000 --output json
  capataz task list --cursor CURSOR       the page after the one that printed CURSOR";

/// List, show, cancel and retry tasks.
#[derive(Debug, clap::Args)]
pub(crate) struct Task {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    Show(Show),
    Cancel(Cancel),
    Retry(Retry),
}

/// List tasks, the newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = LIST_EXAMPLES, visible_alias = "ls")]
struct List {
    /// Of this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// In one of these states: scheduled, queued, running, succeeded, failed, cancelled
    #[arg(long, value_name = "STATE,...", value_delimiter = ',')]
    state: Vec<TaskState>,
    /// With this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The elements of this array
    #[arg(long, value_name = "ID")]
    array: Option<String>,
    /// Of the steps of this run
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// At most this many, 1 to 10,000
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on after the page that ended with this cursor
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

/// Show everything about a task, its attempts among it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  capataz task show 17 --output json")]
struct Show {
    /// The task, or the element of an array (`17.3`)
    id: String,
}

/// Cancel tasks: queued ones at once; running ones are told, then killed after a grace.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  capataz task cancel 17 18 19.3")]
struct Cancel {
    /// Tasks, or elements of arrays (`17.3`)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Retry tasks that have ended: the same ids, with fresh budgets.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  capataz task retry $(capataz task list --state failed -o quiet)"
)]
struct Retry {
    /// Tasks, or elements of arrays (`17.3`)
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

impl Task {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        match self.verb {
            Verb::List(list) => context.output.show(&client.list(&list.query()).await?)?,
            Verb::Show(show) => context.output.show(&client.show(&show.id).await?)?,
            Verb::Cancel(Cancel { ids, reason }) => {
                let cancel = async |id: &str| client.cancel(id, reason.clone()).await;
                each(context, &ids, cancel).await?;
            }
            Verb::Retry(Retry { ids }) => {
                each(context, &ids, async |id: &str| client.retry(id).await).await?;
            }
        }
        Ok(Exit::Success)
    }
}

/// Changes one task after the other and prints the ids of those that were changed; stops at the
/// first that cannot be.
async fn each(
    context: &Context,
    ids: &[String],
    change: impl AsyncFn(&str) -> Result<Changed, ClientError>,
) -> Result<(), Failure> {
    let mut done = IdList::begin(context.output)?;
    let mut result = Ok(());
    for id in ids {
        result = change(id).await.map(drop);
        if result.is_err() {
            break;
        }
        done.add([id.as_str()])?;
    }
    done.end(None::<(&str, &())>)?;
    Ok(result?)
}

impl List {
    fn query(self) -> TasksQuery {
        TasksQuery {
            group: self.group,
            state: self.state,
            tag: self.tag,
            array: self.array,
            run: self.run,
            limit: Some(self.limit as usize),
            cursor: self.cursor,
            position: None,
        }
    }
}

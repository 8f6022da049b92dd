//! `run cancel`, `pause`, `resume`, `retry`, `rerun`

use capataz_api::client::ClientError;
use capataz_api::rest::{Changed, RerunRequest};

use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::output::IdList;

/// Cancel runs with everything in them: what waits at once; what runs is told, then killed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  capataz run cancel r17 --reason 'wrong day'")]
pub(super) struct Cancel {
    /// Runs
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Hold the steps of runs back; what runs goes on to its end.
#[derive(Debug, clap::Args)]
pub(super) struct Pause {
    /// Runs
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

/// Let the steps of paused runs go on.
#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    /// Runs
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

/// Run the failed steps of runs once more, with what they held up and what cleaned up after them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  capataz run retry $(capataz run list --state failed -o quiet)")]
pub(super) struct Retry {
    /// Runs
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

/// Run chosen steps of an ended run once more, and everything after them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz run rerun r17 --from load
  capataz run rerun r17 --from report --only")]
pub(super) struct Rerun {
    /// The run
    id: String,
    /// A step to begin from; may be repeated
    #[arg(long = "from", value_name = "STEP", required = true)]
    steps: Vec<String>,
    /// Only these steps, nothing after them
    #[arg(long)]
    only: bool,
}

impl Cancel {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Cancel { ids, reason } = self;
        let client = context.client()?;
        let cancel = async |id: &str| client.cancel_run(id, reason.clone()).await;
        each(context, &ids, cancel).await
    }
}

impl Pause {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        each(context, &self.ids, async |id: &str| {
            client.pause_run(id, true).await
        })
        .await
    }
}

impl Resume {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        each(context, &self.ids, async |id: &str| {
            client.pause_run(id, false).await
        })
        .await
    }
}

impl Retry {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        each(context, &self.ids, async |id: &str| {
            client.retry_run(id).await
        })
        .await
    }
}

impl Rerun {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        let request = RerunRequest {
            steps: self.steps,
            descendants: Some(!self.only),
        };
        each(context, &[self.id], async |id: &str| {
            client.rerun(id, &request).await
        })
        .await
    }
}

/// Changes one run after the other and prints the ids of those that were changed; stops at the
/// first that cannot be.
async fn each(
    context: &Context,
    ids: &[String],
    change: impl AsyncFn(&str) -> Result<Changed, ClientError>,
) -> Result<Exit, Failure> {
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
    result?;
    Ok(Exit::Success)
}

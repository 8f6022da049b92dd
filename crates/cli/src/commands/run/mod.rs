//! `run`

mod add_steps;
mod audit;
mod change;
mod list;
mod show;
mod start;
mod wait;

use clap::Subcommand;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::runs::watching::watch;

/// Start, watch, steer and look into runs of workflows.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Start(Box<start::Start>),
    List(list::List),
    Show(show::Show),
    Watch(Watch),
    Wait(wait::Wait),
    Cancel(change::Cancel),
    Pause(change::Pause),
    Resume(change::Resume),
    Retry(change::Retry),
    Rerun(change::Rerun),
    Audit(audit::Audit),
    AddSteps(add_steps::AddSteps),
}

/// Watch a run until it has ended: a live drawing in a terminal, else a line for each change.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz run watch r17
  capataz run watch r17 -o json       the lines of the audit trail

Ends with 0 when the run succeeded, 2 when it failed, 3 when it was cancelled.")]
struct Watch {
    /// The run
    id: String,
}

impl Run {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Start(start) => start.run(context).await,
            Verb::List(list) => list.run(context).await,
            Verb::Show(show) => show.run(context).await,
            Verb::Watch(Watch { id }) => watch(&context.client()?, &id, context.output).await,
            Verb::Wait(wait) => wait.run(context).await,
            Verb::Cancel(cancel) => cancel.run(context).await,
            Verb::Pause(pause) => pause.run(context).await,
            Verb::Resume(resume) => resume.run(context).await,
            Verb::Retry(retry) => retry.run(context).await,
            Verb::Rerun(rerun) => rerun.run(context).await,
            Verb::Audit(audit) => audit.run(context).await,
            Verb::AddSteps(add) => add.run(context).await,
        }
    }
}

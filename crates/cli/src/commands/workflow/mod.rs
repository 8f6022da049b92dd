//! `workflow`

mod import;
mod registered;
mod validate;

use clap::Subcommand;

use super::Context;
use crate::failure::{Exit, Failure, stdout_failed};

/// Check, register, show and import workflows.
#[derive(Debug, clap::Args)]
pub(crate) struct Workflow {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Validate(validate::Validate),
    Put(registered::Put),
    List(registered::List),
    Show(registered::Show),
    Delete(registered::Delete),
    Clear(registered::Clear),
    /// Print the JSON Schema of workflow files, for editors and other programs.
    Schema,
    Import(import::Import),
}

impl Workflow {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Validate(validate) => validate.run(context),
            Verb::Put(put) => put.run(context).await,
            Verb::List(list) => list.run(context).await,
            Verb::Show(show) => show.run(context).await,
            Verb::Delete(delete) => delete.run(context).await,
            Verb::Clear(clear) => clear.run(context).await,
            Verb::Schema => print(&pretty(&capataz_workflow::schema())),
            Verb::Import(import) => import.run(),
        }
    }
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

fn print(text: &str) -> Result<Exit, Failure> {
    use std::io::Write;
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(stdout_failed)?;
    Ok(Exit::Success)
}

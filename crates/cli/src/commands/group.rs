//! `group`

use capataz_api::rest::{GroupPatch, Items};
use clap::Subcommand;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::reports::Done;

/// List, limit, pause and resume groups.
#[derive(Debug, clap::Args)]
pub(crate) struct Group {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List groups and how many of their tasks are where.
    #[command(visible_alias = "ls")]
    List,
    Set(Set),
    /// Start nothing more of a group; what runs goes on.
    Pause(Name),
    /// Let a paused group go on.
    Resume(Name),
}

/// Set how many tasks of a group may run at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz group set files --max-running 10
  capataz group set files --max-running none")]
struct Set {
    /// The group
    #[arg(value_name = "NAME")]
    name: String,
    /// At most this many, over all workers; `none` for no bound
    #[arg(long, value_name = "N|none", value_parser = parse_bound)]
    max_running: Bound,
}

#[derive(Debug, clap::Args)]
struct Name {
    /// The group
    #[arg(value_name = "NAME")]
    name: String,
}

/// A number, or no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound(Option<u32>);

fn parse_bound(text: &str) -> Result<Bound, String> {
    match text {
        "none" => Ok(Bound(None)),
        text => match text.parse() {
            Ok(number) => Ok(Bound(Some(number))),
            Err(_) => Err("expected a whole number or `none`".to_owned()),
        },
    }
}

impl Group {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        let (name, done) = match self.verb {
            Verb::List => {
                context.output.show(&Items {
                    items: client.groups().await?,
                })?;
                return Ok(Exit::Success);
            }
            Verb::Set(set) => {
                let patch = GroupPatch {
                    max_running: Some(set.max_running.0),
                };
                client.set_group(&set.name, &patch).await?;
                (set.name, "set")
            }
            Verb::Pause(Name { name }) => {
                client.pause_group(&name, true).await?;
                (name, "paused")
            }
            Verb::Resume(Name { name }) => {
                client.pause_group(&name, false).await?;
                (name, "resumed")
            }
        };
        context.output.show(&Done {
            kind: "group",
            name,
            done,
        })?;
        Ok(Exit::Success)
    }
}

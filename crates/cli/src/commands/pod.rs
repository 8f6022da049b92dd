//! `pod`

use capataz_api::rest::{self, Items, PodPatch};
use clap::{Subcommand, ValueEnum};

use super::Context;
use crate::failure::{Exit, Failure};
use crate::reports::Done;

/// List pods, set their slots and policy, pause, resume and release them.
#[derive(Debug, clap::Args)]
pub(crate) struct Pod {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List pods: their slots, who uses them, and what is held.
    #[command(visible_alias = "ls")]
    List,
    Set(Set),
    /// Start nothing more in a pod; what runs goes on.
    Pause(Name),
    /// Let a paused pod go on.
    Resume(Name),
    /// Say that nothing of a pod's lost attempts runs any more: frees the slots held for them.
    #[command(
        after_help = "Only do this when you have looked: `on_lost hold` promises that attempts
never overlap, and this is where that promise is yours.

Example:
  capataz pod release gpu-0"
    )]
    Release(Name),
}

/// Set a pod's slots, or what happens when a worker of it is lost.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz pod set cpu --slots 4
  capataz pod set license --on-lost hold")]
struct Set {
    /// The pod; it need not be there yet
    #[arg(value_name = "NAME")]
    name: String,
    /// How many attempts may run in it at once
    #[arg(long, value_name = "N", required_unless_present = "on_lost")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    slots: Option<u32>,
    /// `time`: its lost attempts' slots are free when their leases are over;
    /// `hold`: only when the worker is back, or on `pod release`
    #[arg(long, value_name = "time|hold", hide_possible_values = true)]
    on_lost: Option<OnLost>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnLost {
    Time,
    Hold,
}

#[derive(Debug, clap::Args)]
struct Name {
    /// The pod
    #[arg(value_name = "NAME")]
    name: String,
}

impl Pod {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        let (name, done) = match self.verb {
            Verb::List => {
                context.output.show(&Items {
                    items: client.pods().await?,
                })?;
                return Ok(Exit::Success);
            }
            Verb::Set(set) => {
                let on_lost = set.on_lost.map(|on_lost| match on_lost {
                    OnLost::Time => rest::OnLost::Time,
                    OnLost::Hold => rest::OnLost::Hold,
                });
                client
                    .set_pod(
                        &set.name,
                        &PodPatch {
                            slots: set.slots,
                            on_lost,
                        },
                    )
                    .await?;
                (set.name, "set")
            }
            Verb::Pause(Name { name }) => {
                client.pause_pod(&name, true).await?;
                (name, "paused")
            }
            Verb::Resume(Name { name }) => {
                client.pause_pod(&name, false).await?;
                (name, "resumed")
            }
            Verb::Release(Name { name }) => {
                client.release_pod(&name).await?;
                (name, "released")
            }
        };
        context.output.show(&Done {
            kind: "pod",
            name,
            done,
        })?;
        Ok(Exit::Success)
    }
}

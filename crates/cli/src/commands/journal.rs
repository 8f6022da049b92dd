//! `journal`

use std::path::PathBuf;

use capataz_server::{DiskError, RepairError, cut_journal, inspect_journal};
use clap::Subcommand;

use super::Context;
use crate::failure::{Exit, Failure, Told};
use crate::reports::{Cut, Inspected};

/// The only namespace there is.
const NAMESPACE: &str = "default";

/// Look into the journal of a server that does not start, and repair it.
#[derive(Debug, clap::Args)]
pub(crate) struct Journal {
    /// The server's data folder [default: ./capataz-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what is in the journal, and where it is damaged; changes nothing.
    #[command(after_help = "Ends with 1 when the journal is damaged.

Example:
  capataz journal inspect --data-dir /var/lib/capataz")]
    Inspect,
    /// End the journal at a position: what follows is put aside, never deleted.
    #[command(
        after_help = "Everything from that position on is forgotten, acknowledged or not. Look first
with `journal inspect`, and try a backup before this. The store must not be ahead of the new end.

Example:
  capataz journal cut --at 1234 --yes"
    )]
    Cut {
        /// The position that becomes the end: the records below it stay
        #[arg(long, value_name = "POSITION")]
        at: u64,
        /// Do it
        #[arg(long, required = true)]
        yes: bool,
    },
}

impl Told for DiskError {
    fn hint(&self) -> Option<String> {
        Some("--data-dir names the server's data folder".to_owned())
    }
}

impl Told for RepairError {
    fn hint(&self) -> Option<String> {
        match self {
            RepairError::Locked { .. } => Some("stop the server first".to_owned()),
            _ => Some("`capataz journal inspect` says where it can be cut".to_owned()),
        }
    }
}

impl Journal {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let folder = self
            .data_dir
            .unwrap_or_else(|| context.settings.serve.data_dir.clone());
        match self.verb {
            Verb::Inspect => {
                let inspection = inspect_journal(&folder, NAMESPACE)?;
                let damaged = inspection.damage.is_some();
                context.output.show(&Inspected::from(&inspection))?;
                Ok(if damaged { Exit::Usage } else { Exit::Success })
            }
            Verb::Cut { at, yes: _ } => {
                let repaired = cut_journal(&folder, NAMESPACE, at)?;
                context.output.show(&Cut::from(&repaired))?;
                Ok(Exit::Success)
            }
        }
    }
}

//! `doctor`

use std::path::PathBuf;

use capataz_api::client::ClientError;
use capataz_api::rest::StatsQuery;

use super::Context;
use crate::doctor::{Check, Diagnosis, examine};
use crate::failure::{Exit, Failure};

/// Check this machine: disk, clock, limits, and whether the server answers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz doctor
  capataz doctor --data-dir /var/lib/capataz --offline

Ends with 1 when a check failed; warnings are no failure.")]
pub(crate) struct Doctor {
    /// The data folder of the server that runs, or will run, here [default: ./capataz-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Do not ask whether a server answers
    #[arg(long)]
    offline: bool,
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let folder = self
            .data_dir
            .unwrap_or_else(|| context.settings.serve.data_dir.clone());
        let mut checks = examine(&folder);
        if !self.offline {
            checks.push(server(context).await);
        }
        let diagnosis = Diagnosis { checks };
        context.output.show(&diagnosis)?;
        Ok(if diagnosis.failed() {
            Exit::Usage
        } else {
            Exit::Success
        })
    }
}

/// Whether the server answers this user.
async fn server(context: &Context) -> Check {
    let name = "server";
    let hint = "start one with `capataz serve`, or leave it out with --offline";
    let asked = match context.client() {
        Ok(client) => client.stats(&StatsQuery::default()).await,
        Err(failure) => return Check::failed(name, format!("{failure:?}"), hint),
    };
    match asked {
        Ok(stats) => {
            let found = format!("build {} at {}", stats.build, context.settings.server);
            Check::ok(name, found)
        }
        Err(error @ ClientError::Unreachable { .. }) => {
            Check::warning(name, error.to_string(), hint)
        }
        Err(error) => Check::failed(name, error.to_string(), hint),
    }
}

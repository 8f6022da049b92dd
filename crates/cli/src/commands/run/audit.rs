//! `run audit`

use std::time::Duration;

use capataz_api::rest::{AuditLine, AuditQuery};

use crate::commands::Context;
use crate::failure::{Exit, Failure};
use crate::runs::moment::Moment;
use crate::runs::trail::Trail;

/// How long one call waits for the end of a run that is followed.
const CALL: Duration = Duration::from_millis(500);

/// Print the audit trail of a run, one JSON object a line: who, what, when, from, to, why.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz run audit r17
  capataz run audit r17 --after 4711 --follow")]
pub(super) struct Audit {
    /// The run
    id: String,
    /// After the line with this `seq`
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// From then on: a time (RFC 3339), or how long ago
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Before then: a time (RFC 3339), or how long ago
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<Moment>,
    /// Wait for further lines until the run has ended
    #[arg(long, short)]
    follow: bool,
}

impl Audit {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?;
        let query = AuditQuery {
            after: self.after,
            since: self.since.map(|since| since.0),
            until: self.until.map(|until| until.0),
            limit: None,
        };
        let mut trail = Trail::new(&client, &self.id, query);
        loop {
            // Asked before the lines are read, so that none can come after the last reading.
            let over = !self.follow || client.wait_run_step(&self.id, CALL).await?.done;
            let print = |line: &AuditLine| context.output.json_line(line);
            trail.read::<Failure>(print).await?;
            if over {
                return Ok(Exit::Success);
            }
        }
    }
}

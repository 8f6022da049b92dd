//! `dev`

use std::path::PathBuf;

use super::Context;
use super::worker::plan;
use crate::failure::{Exit, Failure};
use crate::logging;
use crate::running::{ServerError, begin, options, start};
use crate::stop::Stops;
use crate::talk::say;

/// The pod of the one worker.
const POD: &str = "dev";

/// Everything in one process: a server, and a worker that runs the commands tasks bring.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  capataz dev --group files --slots 4
  capataz submit --group files --wait -- sha256sum a.txt      in another terminal

For development: the worker runs whatever is submitted to its groups.")]
pub(crate) struct Dev {
    /// The folder with everything the server keeps [default: ./capataz-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address for REST, gRPC and the web page [default: 127.0.0.1:7117]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// A group the worker serves; may be repeated
    #[arg(long = "group", value_name = "NAME", default_value = "default")]
    groups: Vec<String>,
    /// How many attempts run at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    slots: u32,
}

impl Dev {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut settings = context.settings.clone();
        settings.serve.data_dir = self.data_dir.unwrap_or(settings.serve.data_dir);
        settings.serve.listen = self.listen.unwrap_or(settings.serve.listen);
        settings.worker.groups = self.groups;
        settings.worker.pod = Some(POD.to_owned());
        settings.worker.pod_slots = Some(self.slots);
        settings.worker.concurrency = Some(self.slots);
        settings.worker.allow_commands = true;
        logging::begin(&settings.serve.log, &settings.serve.log_format)?;
        let patience = settings.worker.drain.map(Into::into);
        let mut stops = Stops::listen()?;
        let mut server = start(options(&settings.serve)?).await?;
        let worker = plan(settings.worker, Vec::new())?;
        let groups = worker.session.groups.join(", ");
        let (url, ca) = (server.url(), settings.tls_ca.as_deref());
        let worker = begin(worker, &url, Some(server.token()), ca).await?;
        say(format_args!(
            "capataz: serving on {}, Ctrl-C stops",
            server.url()
        ));
        say(format_args!(
            "capataz: a worker runs the commands of {groups}, {} at once",
            self.slots
        ));
        let ended = tokio::select! {
            ended = worker.until_stopped(&mut stops, patience) => ended,
            reason = server.failed() => return Err(ServerError::Failed { reason }.into()),
        };
        server.shutdown().await;
        ended?;
        Ok(Exit::Success)
    }
}

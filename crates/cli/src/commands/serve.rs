//! `serve`

use std::path::PathBuf;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::logging;
use crate::running::{ServerError, options, start};
use crate::settings::ServeSettings;
use crate::stop::Stops;
use crate::talk::say;

/// Serve: keep tasks and hand them to workers.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Examples:
  capataz serve
  capataz serve --data-dir /var/lib/capataz --listen 127.0.0.1:0

The first start makes a token and writes it to DATA_DIR/admin-token; the address goes to
DATA_DIR/address. SIGTERM ends it gracefully; SIGKILL is as safe.")]
pub(crate) struct Serve {
    /// The folder with everything it keeps [default: ./capataz-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address for REST, gRPC and the web page; port 0 takes a free one [default: 127.0.0.1:7117]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// Listen beyond this machine without TLS: tokens and payloads can then be read on the way
    #[arg(long)]
    pub(crate) allow_plaintext: bool,
    /// A further name that requests may be sent to; may be repeated
    #[arg(long = "allowed-host", value_name = "NAME")]
    pub(crate) allowed_hosts: Vec<String>,
    /// What is logged to stderr: error, warn, info, debug, trace [default: info]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How it is logged: text or json [default: text]
    #[arg(long, value_name = "FORM")]
    pub(crate) log_format: Option<String>,
}

impl Serve {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let settings = self.over(context.settings.serve.clone());
        logging::begin(&settings.log, &settings.log_format)?;
        let mut stops = Stops::listen()?;
        let mut server = start(options(&settings)?).await?;
        say(format_args!(
            "capataz: serving on {}, Ctrl-C stops",
            server.url()
        ));
        tokio::select! {
            () = stops.next() => {}
            reason = server.failed() => return Err(ServerError::Failed { reason }.into()),
        }
        tokio::select! {
            () = server.shutdown() => Ok(Exit::Success),
            // As safe as a crash, which is safe.
            () = stops.next() => Ok(Exit::Usage),
        }
    }

    /// The settings with the flags over them.
    fn over(self, mut settings: ServeSettings) -> ServeSettings {
        settings.data_dir = self.data_dir.unwrap_or(settings.data_dir);
        settings.listen = self.listen.unwrap_or(settings.listen);
        settings.allow_plaintext |= self.allow_plaintext;
        settings.allowed_hosts.extend(self.allowed_hosts);
        settings.log = self.log.unwrap_or(settings.log);
        settings.log_format = self.log_format.unwrap_or(settings.log_format);
        settings
    }
}

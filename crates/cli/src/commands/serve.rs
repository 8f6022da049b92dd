//! `serve`

use std::path::PathBuf;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::logging;
use crate::running::{ServerError, options, start};
use crate::settings::ServeSettings;
use crate::stop::{Renewals, Stops};
use crate::talk::say;

/// Serve: keep tasks and hand them to workers.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Examples:
  capataz serve
  capataz serve --data-dir /var/lib/capataz --listen 127.0.0.1:0
  capataz serve --listen 0.0.0.0:7117 --tls-cert server.pem --tls-key server.key \\
      --allowed-host grid.example.org

The first start makes a token and writes it to DATA_DIR/admin-token; the address goes to
DATA_DIR/address. SIGTERM ends it gracefully; SIGKILL is as safe. SIGHUP reads certificate and key again.")]
pub(crate) struct Serve {
    /// The folder with everything it keeps [default: ./capataz-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address for REST, gRPC and the web page; port 0 takes a free one [default: 127.0.0.1:7117]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// The certificate, in PEM, with those that lead to its root: the server then speaks TLS only
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
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
        // Without TLS the signal does what it always does.
        let mut renewals = server.has_tls().then(Renewals::listen).transpose()?;
        loop {
            tokio::select! {
                () = stops.next() => break,
                () = next(&mut renewals) => renew(&server),
                reason = server.failed() => return Err(ServerError::Failed { reason }.into()),
            }
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
        settings.tls_cert = self.tls_cert.or(settings.tls_cert);
        settings.tls_key = self.tls_key.or(settings.tls_key);
        settings.allow_plaintext |= self.allow_plaintext;
        settings.allowed_hosts.extend(self.allowed_hosts);
        settings.log = self.log.unwrap_or(settings.log);
        settings.log_format = self.log_format.unwrap_or(settings.log_format);
        settings
    }
}

async fn next(renewals: &mut Option<Renewals>) {
    match renewals {
        Some(renewals) => renewals.next().await,
        None => std::future::pending().await,
    }
}

fn renew(server: &capataz_server::Running) {
    match server.reload_tls() {
        Ok(()) => say("capataz: certificate and key are read again"),
        Err(error) => say(format_args!("capataz: the old certificate stays: {error}")),
    }
}

//! A server in this process.

use std::net::{SocketAddr, ToSocketAddrs};

use capataz_server::{Running, ServeOptions, StartError, TlsFiles};

use crate::failure::Told;
use crate::settings::ServeSettings;

/// Why there is no server, or none any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("{got:?} is no address with a port: {cause}")]
    Address { got: String, cause: std::io::Error },
    #[error("{got:?} is no address of this machine")]
    NoAddress { got: String },
    #[error("TLS needs a certificate and its key, and only one of them is named")]
    HalfTls,
    #[error("the server cannot start: {0}")]
    Start(#[from] StartError),
    #[error("the server cannot go on: {reason}")]
    Failed { reason: String },
}

impl Told for ServerError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            ServerError::Address { .. } | ServerError::NoAddress { .. } => {
                "write --listen 127.0.0.1:7117"
            }
            ServerError::HalfTls => "name both: --tls-cert FILE --tls-key FILE",
            ServerError::Start(StartError::Tls(_)) => {
                "both are files in PEM; the key is that of the first certificate"
            }
            ServerError::Start(StartError::UnsafeBind(_)) => {
                "name --tls-cert and --tls-key, or listen on 127.0.0.1, or accept the risk with \
                 --allow-plaintext"
            }
            ServerError::Start(StartError::Bind { .. }) => {
                "another server may run there already; --listen 127.0.0.1:0 takes a free port"
            }
            ServerError::Start(StartError::DataDir { .. } | StartError::Token(_)) => {
                "--data-dir names another folder"
            }
            ServerError::Start(StartError::Open(error)) if error.is_journal() => {
                "nothing was deleted; `capataz journal inspect` says more"
            }
            ServerError::Start(_) => "nothing in the data folder was deleted",
            ServerError::Failed { .. } => "start it again: what was acknowledged is in the journal",
        };
        Some(hint.to_owned())
    }
}

/// What the settings say about a server.
pub(crate) fn options(settings: &ServeSettings) -> Result<ServeOptions, ServerError> {
    let mut options = ServeOptions::new(&settings.data_dir);
    options.listen = resolve(&settings.listen)?;
    options.hosts.clone_from(&settings.allowed_hosts);
    options.tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => Some(TlsFiles {
            cert: cert.clone(),
            key: key.clone(),
        }),
        (None, None) => None,
        _ => return Err(ServerError::HalfTls),
    };
    options.insecure_bind = settings.allow_plaintext;
    options.drain = settings.drain.into();
    let namespace = &mut options.namespace;
    namespace.owner.lease_ttl = settings.lease_ttl.into();
    namespace.owner.limits.max_dedup_keys = settings.max_dedup_keys;
    namespace.retention.max_age = settings.retention_age.into();
    namespace.retention.max_finished = settings.retention_tasks;
    namespace.retention.max_runs = settings.retention_runs;
    namespace.retention.quota = settings.disk_quota.0;
    namespace.retention.reserve = settings.disk_reserve.0;
    namespace.in_memory = settings.in_memory;
    Ok(options)
}

fn resolve(listen: &str) -> Result<SocketAddr, ServerError> {
    let got = || listen.to_owned();
    let found = listen.to_socket_addrs();
    let mut found = found.map_err(|cause| ServerError::Address { got: got(), cause })?;
    found
        .next()
        .ok_or_else(|| ServerError::NoAddress { got: got() })
}

/// Starts a server; it is ready when this returns.
pub(crate) async fn start(options: ServeOptions) -> Result<Running, ServerError> {
    Ok(capataz_server::serve(options).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        assert_eq!(
            resolve("127.0.0.1:0").unwrap(),
            SocketAddr::from(([127, 0, 0, 1], 0))
        );
        assert!(matches!(
            resolve("127.0.0.1"),
            Err(ServerError::Address { .. })
        ));
        assert!(matches!(resolve(""), Err(ServerError::Address { .. })));
    }
}

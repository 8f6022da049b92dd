//! How a server is set up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::tls::TlsFiles;
use crate::namespace::NamespaceOptions;

/// Where a server listens unless told otherwise.
const DEFAULT_PORT: u16 = 7117;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where journal, store and tokens are.
    pub data_dir: PathBuf,
    /// The address to bind; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Names besides the loopback's and the bound address that requests may name as their host.
    pub hosts: Vec<String>,
    /// Certificate and key: without them nothing is encrypted.
    pub tls: Option<TlsFiles>,
    /// Binds an address that others can reach, without TLS.
    pub insecure_bind: bool,
    /// How long requests may take to end when the server stops.
    pub drain: Duration,
    /// The namespace's set-up.
    pub namespace: NamespaceOptions,
}

impl ServeOptions {
    /// A server on loopback with everything else at its default.
    pub fn new(data_dir: impl Into<PathBuf>) -> ServeOptions {
        ServeOptions {
            data_dir: data_dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)),
            hosts: Vec::new(),
            tls: None,
            insecure_bind: false,
            drain: Duration::from_secs(10),
            namespace: NamespaceOptions::default(),
        }
    }

    /// Refuses an address that others can reach without TLS, unless that risk was named.
    pub(super) fn check_bind(&self) -> Result<(), UnsafeBind> {
        if self.listen.ip().is_loopback() || self.tls.is_some() || self.insecure_bind {
            return Ok(());
        }
        Err(UnsafeBind {
            listen: self.listen,
        })
    }
}

/// An address that others can reach.
#[derive(Debug, thiserror::Error)]
#[error(
    "{listen} can be reached from other hosts, and without TLS whoever listens there sees the \
     token, which allows to run commands on your workers"
)]
pub struct UnsafeBind {
    /// The address.
    pub listen: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_can_reach_it_only_by_tls_or_by_a_named_risk() {
        let mut options = ServeOptions::new("data");
        options.check_bind().expect("loopback is safe");
        for open in ["0.0.0.0:7117", "[::]:7117", "192.0.2.1:7117"] {
            options.listen = open.parse().expect("an address");
            options.check_bind().expect_err("others can reach it");
        }
        options.insecure_bind = true;
        options.check_bind().expect("the risk is named");
        options.insecure_bind = false;
        options.tls = Some(TlsFiles {
            cert: "cert.pem".into(),
            key: "key.pem".into(),
        });
        options.check_bind().expect("it is encrypted");
    }
}

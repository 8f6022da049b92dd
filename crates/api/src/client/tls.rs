//! Connections to servers, with TLS where their URL says `https`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::{ClientConfig, RootCertStore, crypto};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes connections. Cheap to clone.
pub type Connector = HttpsConnector<HttpConnector>;

/// What is spoken over a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    /// HTTP/1: calls that do not wait for each other have connections of their own.
    Http1,
    /// HTTP/2 only, as gRPC does.
    Http2,
}

/// Servers cannot be trusted, for want of somebody who vouches for them.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of roots cannot be read, or is no PEM.
    #[error("the certificates in {} cannot be read: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        cause: PemError,
    },
    /// There is no certificate that can vouch for a server.
    #[error("there is no root certificate in {place}")]
    Empty {
        /// Where it was looked for.
        place: String,
    },
    /// A certificate is of a kind that cannot be used.
    #[error("a root certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// A connector for the server of a URL: it trusts the roots in the file `ca`, or those of the
/// system when none is named. For `http` URLs no root is looked for.
///
/// # Errors
///
/// [`TrustError`] when the URL is `https` and nobody can vouch for its server.
pub fn connector(url: &str, ca: Option<&Path>, speaks: Speaks) -> Result<Connector, TrustError> {
    let secure = url.trim_start().to_ascii_lowercase().starts_with("https:");
    let roots = match (secure, ca) {
        (false, _) => RootCertStore::empty(),
        (true, Some(path)) => roots_in(path)?,
        (true, None) => roots_of_the_system()?,
    };
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.enforce_http(false);
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http();
    Ok(match speaks {
        Speaks::Http1 => builder.enable_http1().wrap_connector(http),
        Speaks::Http2 => builder.enable_http2().wrap_connector(http),
    })
}

fn roots_in(path: &Path) -> Result<RootCertStore, TrustError> {
    let unreadable = |cause| TrustError::File {
        path: path.to_owned(),
        cause,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?)?;
    }
    not_empty(roots, || path.display().to_string())
}

fn roots_of_the_system() -> Result<RootCertStore, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A single one that cannot be read makes no difference to the others.
    roots.add_parsable_certificates(found.certs);
    not_empty(roots, || "the system's store".to_owned())
}

fn not_empty(
    roots: RootCertStore,
    place: impl FnOnce() -> String,
) -> Result<RootCertStore, TrustError> {
    match roots.is_empty() {
        false => Ok(roots),
        true => Err(TrustError::Empty { place: place() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_needs_somebody_who_vouches() {
        let nowhere = Path::new("/nonexistent/ca.pem");
        assert!(connector("http://h", Some(nowhere), Speaks::Http1).is_ok());
        let error = connector("https://h", Some(nowhere), Speaks::Http1).expect_err("no file");
        assert!(matches!(error, TrustError::File { .. }), "{error}");
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = connector("https://h", Some(file.path()), Speaks::Http2);
        let error = error.expect_err("no certificate");
        assert!(matches!(error, TrustError::Empty { .. }), "{error}");
    }
}

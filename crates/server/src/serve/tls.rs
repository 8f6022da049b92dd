//! TLS for the listener. Certificate and key are read when the server starts, and again when it is
//! told to: connections that are open keep theirs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, crypto};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What is spoken over it, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where certificate and key are, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, then those between it and its root.
    pub cert: PathBuf,
    /// The key of the first.
    pub key: PathBuf,
}

/// Certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("{} cannot be read: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        cause: PemError,
    },
    /// There is no certificate in its file.
    #[error("{} has no certificate in PEM", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// They do not fit together, or are of a kind that is not supported.
    #[error("{} and {} cannot be used: {cause}", cert.display(), key.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's.
        key: PathBuf,
        /// What is wrong.
        cause: rustls::Error,
    },
}

/// What connections are encrypted with. Cheap to clone; clones share it.
#[derive(Clone)]
pub(super) struct Tls {
    files: TlsFiles,
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Reads the files.
    pub(super) fn load(files: TlsFiles) -> Result<Tls, TlsError> {
        let current = Arc::new(RwLock::new(Arc::new(read(&files)?)));
        Ok(Tls { files, current })
    }

    /// Reads the files again, for the connections to come; when that fails, the old ones stay.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(read(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Agrees on keys with a client. `None` when it does not, or not in time.
    pub(super) async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let accepted = TlsAcceptor::from(config).accept(stream);
        match tokio::time::timeout(HANDSHAKE, accepted).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a client did not agree on keys");
                None
            }
            Err(_) => None,
        }
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let TlsFiles { cert, key } = files;
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<_, _>>);
    let chain: Vec<CertificateDer<'static>> = chain.map_err(|cause| unreadable(cert, cause))?;
    if chain.is_empty() {
        let path = cert.clone();
        return Err(TlsError::NoCertificate { path });
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|cause| unreadable(key, cause))?;
    let unusable = |cause| TlsError::Unusable {
        cert: cert.clone(),
        key: key.clone(),
        cause,
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unusable)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

fn unreadable(path: &Path, cause: PemError) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        cause,
    }
}

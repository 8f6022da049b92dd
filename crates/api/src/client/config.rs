//! Where the master is and how to get in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ClientError;

/// The master that is called when none is named.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:7117";

/// Where `serve` leaves the first token when no data directory is named, relative to the working
/// directory.
pub const TOKEN_FILE: &str = "./capataz-data/admin-token";

/// Everything a [`super::Client`] needs to know.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// The master's URL, such as `http://127.0.0.1:7117`.
    pub server: String,
    /// Sent with every request.
    pub token: Option<String>,
    /// A file with the certificates, in PEM, that may vouch for a server whose URL is `https`. The
    /// system's own otherwise.
    pub tls_ca: Option<PathBuf>,
    /// Another namespace than the token's own; for admins.
    pub namespace: Option<String>,
    /// How long one try may take, besides what the request itself waits for.
    pub request_timeout: Duration,
    /// How long a master that has answered before is tried again when it does not: a restart or a
    /// failover takes seconds.
    pub retry_for: Duration,
    /// The same for a master that has never answered: most likely the URL is wrong, so that the
    /// caller should hear of it soon.
    pub first_contact: Duration,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            server: DEFAULT_SERVER.to_owned(),
            token: None,
            tls_ca: None,
            namespace: None,
            request_timeout: Duration::from_secs(30),
            retry_for: Duration::from_secs(60),
            first_contact: Duration::from_millis(500),
        }
    }
}

impl ClientConfig {
    /// Takes `CAPATAZ_SERVER`, `CAPATAZ_TOKEN` and `CAPATAZ_TLS_CA` from the environment; without a
    /// token there, the file [`TOKEN_FILE`] when it exists.
    pub fn from_env() -> Result<ClientConfig, ClientError> {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let server = variable("CAPATAZ_SERVER");
        let token = variable("CAPATAZ_TOKEN");
        Ok(ClientConfig {
            tls_ca: variable("CAPATAZ_TLS_CA").map(PathBuf::from),
            ..ClientConfig::resolve(server, token, Path::new(TOKEN_FILE))?
        })
    }

    /// The configuration for a server and a token that may have been named, and a file to take the
    /// token from when it was not and the file exists.
    pub fn resolve(
        server: Option<String>,
        token: Option<String>,
        token_file: &Path,
    ) -> Result<ClientConfig, ClientError> {
        let token = match token {
            Some(token) => Some(token),
            None => read_token(token_file)?,
        };
        Ok(ClientConfig {
            server: server.unwrap_or_else(|| DEFAULT_SERVER.to_owned()),
            token: token.map(|token| token.trim().to_owned()),
            ..ClientConfig::default()
        })
    }
}

fn read_token(path: &Path) -> Result<Option<String>, ClientError> {
    match std::fs::read_to_string(path) {
        Ok(token) => Ok(Some(token)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClientError::TokenFile {
            path: PathBuf::from(path),
            cause: error.to_string(),
        }),
    }
}

impl fmt::Debug for ClientConfig {
    /// Leaves the token out: configurations end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("server", &self.server)
            .field("token", &self.token.as_ref().map(|_| "..."))
            .field("tls_ca", &self.tls_ca)
            .field("namespace", &self.namespace)
            .field("request_timeout", &self.request_timeout)
            .field("retry_for", &self.retry_for)
            .field("first_contact", &self.first_contact)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_token_goes_before_the_file_and_no_file_is_no_token() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let file = dir.path().join("admin-token");
        let resolve = |token: Option<&str>| {
            let config = ClientConfig::resolve(None, token.map(str::to_owned), &file);
            config.expect("a good configuration").token
        };
        assert_eq!(resolve(None), None);
        std::fs::write(&file, "from-file\n").expect("a written file");
        assert_eq!(resolve(None).as_deref(), Some("from-file"));
        assert_eq!(resolve(Some("named")).as_deref(), Some("named"));
        let unreadable = ClientConfig::resolve(None, None, dir.path());
        assert!(matches!(unreadable, Err(ClientError::TokenFile { .. })));
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = Some("secret".to_owned());
        let config = ClientConfig {
            token,
            ..ClientConfig::default()
        };
        assert!(!format!("{config:?}").contains("secret"));
    }
}

//! The client itself: cheap to clone, one way to the master for all clones.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{Request, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tower::{BoxError, Service};

use super::http::Http;
use super::submitter::Submitter;
use super::transport::{Body, Transport};
use super::{ClientConfig, ClientError};

/// What needs no encoding in a part of a path; ids of elements have a dot.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~');

/// A connection to a master. Clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) http: Arc<Http>,
    submitter: Arc<OnceLock<Submitter>>,
}

impl Client {
    /// A client for the configuration. Connects when it is first used, within a tokio runtime.
    pub fn new(config: &ClientConfig) -> Result<Client, ClientError> {
        Client::over(Transport::network(config)?, config)
    }

    /// A client of a master in this process, such as a router of REST and gRPC: its calls are
    /// calls of the service, no socket is involved. What of the configuration is about the way to
    /// a server is not looked at.
    ///
    /// The service fails only when there is no master any more; such a failure is final.
    pub fn in_process<S, B>(service: S, config: &ClientConfig) -> Result<Client, ClientError>
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Client::over(Transport::in_process(service), config)
    }

    fn over(transport: Transport, config: &ClientConfig) -> Result<Client, ClientError> {
        Ok(Client {
            http: Arc::new(Http::new(transport, config)?),
            submitter: Arc::default(),
        })
    }

    /// A client for what the environment names: [`ClientConfig::from_env`].
    pub fn from_env() -> Result<Client, ClientError> {
        Client::new(&ClientConfig::from_env()?)
    }

    /// The server's URL; `embedded` for a master in this process.
    pub fn url(&self) -> &str {
        self.http.url()
    }

    /// The handle for submitting; all clones share its stream.
    pub fn submitter(&self) -> Submitter {
        let start = || Submitter::start(Arc::clone(&self.http));
        self.submitter.get_or_init(start).clone()
    }
}

/// A path of fixed parts and names, such as `/tasks/12.0/cancel`.
pub(super) fn path(parts: &[&str]) -> String {
    let mut path = String::new();
    for part in parts {
        path.push('/');
        path.extend(utf8_percent_encode(part, SEGMENT));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_part_of_a_path() {
        assert_eq!(path(&["tasks", "12.0"]), "/tasks/12.0");
        assert_eq!(
            path(&["groups", "a/../b?c d"]),
            "/groups/a%2F..%2Fb%3Fc%20d"
        );
    }
}

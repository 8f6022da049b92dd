//! How requests get to a master: over kept connections, or straight into a service of this process.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::transport::{Channel, Endpoint};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt};

use super::tls::{Connector, Speaks, connector};
use super::{ClientConfig, ClientError};

/// A body of any kind, in a box: what goes into a service of this process and comes out of it.
pub type Body = tonic::body::Body;

/// What takes REST and gRPC requests alike.
pub(super) type BoxService = BoxCloneSyncService<Request<Body>, Response<Body>, ServiceError>;

/// Why such a service failed: a type with a name, because a boxed error makes futures that hold
/// the service look as if they could not be sent between threads.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct ServiceError(BoxError);

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often an otherwise silent stream's connection is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long it may take to answer that.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(30);
/// What stands for the URL of a master in this process.
const IN_PROCESS: &str = "embedded";

/// The way to a master.
pub(super) enum Transport {
    /// Over the network.
    Network {
        /// Without a slash at its end.
        url: String,
        pool: Box<Pool<Connector, Full<Bytes>>>,
        /// Makes the connections of streams.
        streams: Box<Connector>,
    },
    /// By a call. It fails only when the master is closed, which is for good.
    InProcess(BoxService),
}

impl Transport {
    /// The way to a URL. Connects when it is first used.
    pub(super) fn network(config: &ClientConfig) -> Result<Transport, ClientError> {
        let url = base_url(&config.server)?;
        let connector = |speaks| {
            let made = connector(&url, config.tls_ca.as_deref(), speaks);
            made.map_err(|error| ClientError::Trust {
                url: url.clone(),
                cause: error.to_string(),
            })
        };
        let streams = Box::new(connector(Speaks::Http2)?);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector(Speaks::Http1)?);
        Ok(Transport::Network {
            pool: Box::new(pool),
            streams,
            url,
        })
    }

    /// The way into a service.
    pub(super) fn in_process<S, B>(service: S) -> Transport
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service = service
            .map_response(|response: Response<B>| response.map(Body::new))
            .map_err(|error| ServiceError(error.into()));
        Transport::InProcess(BoxService::new(service))
    }

    /// The master's URL, for people.
    pub(super) fn url(&self) -> &str {
        match self {
            Transport::Network { url, .. } => url,
            Transport::InProcess(_) => IN_PROCESS,
        }
    }

    /// What goes before the path of a request.
    pub(super) fn base(&self) -> &str {
        match self {
            Transport::Network { url, .. } => url,
            Transport::InProcess(_) => "",
        }
    }

    /// Sends one request. Its answer may have any status.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, ClientError> {
        match self {
            Transport::Network { url, pool, .. } => {
                let sent = pool.request(request).await;
                let response = sent.map_err(|error| {
                    let (url, cause) = (url.clone(), innermost(&error));
                    match error.is_connect() {
                        true => ClientError::Unreachable { url, cause },
                        false => ClientError::NoAnswer { url, cause },
                    }
                })?;
                Ok(response.map(Body::new))
            }
            Transport::InProcess(service) => {
                let answer = service.clone().oneshot(request.map(Body::new)).await;
                answer.map_err(|error| closed(&error))
            }
        }
    }

    /// What a gRPC stream is opened on: over the network a connection of its own, so that bulk
    /// submission and REST calls do not wait for each other.
    pub(super) async fn for_stream(&self) -> Result<BoxService, ClientError> {
        match self {
            Transport::Network { url, streams, .. } => {
                let channel = connect(url, streams).await?;
                Ok(BoxService::new(
                    channel.map_err(|error| ServiceError(error.into())),
                ))
            }
            Transport::InProcess(service) => {
                let mut service = service.clone();
                let ready = service.ready().await;
                ready.map_err(|error| closed(&error))?;
                Ok(service)
            }
        }
    }

    /// The error, when a stream ended because there is no master in this process any more.
    pub(super) fn closed(&self, status: &tonic::Status) -> Option<ClientError> {
        let failed = status.source()?.downcast_ref::<ServiceError>()?;
        matches!(self, Transport::InProcess(_)).then(|| closed(failed))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transport").field(&self.url()).finish()
    }
}

async fn connect(url: &str, connector: &Connector) -> Result<Channel, ClientError> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| ClientError::BadUrl {
        got: url.to_owned(),
        reason: "it cannot be read",
    })?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .http2_adaptive_window(true);
    let connected = endpoint.connect_with_connector(connector.clone()).await;
    connected.map_err(|error| ClientError::Unreachable {
        url: url.to_owned(),
        cause: innermost(&error),
    })
}

fn closed(error: &ServiceError) -> ClientError {
    ClientError::Closed {
        cause: innermost(error),
    }
}

/// Checks a server's URL and takes the slash off its end.
fn base_url(got: &str) -> Result<String, ClientError> {
    let bad = |reason| ClientError::BadUrl {
        got: got.to_owned(),
        reason,
    };
    let uri: Uri = got.parse().map_err(|_| bad("it cannot be read"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(bad("it must begin with http:// or https://")),
    }
    if uri.query().is_some() {
        return Err(bad("it must not have a query"));
    }
    Ok(got.trim_end_matches('/').to_owned())
}

/// What was at the bottom of it: the outer errors only repeat that something failed.
pub(super) fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_servers_are_taken() {
        assert_eq!(
            base_url("http://[::1]:7117/").as_deref(),
            Ok("http://[::1]:7117")
        );
        assert_eq!(base_url("https://x/").as_deref(), Ok("https://x"));
        for bad in ["", "127.0.0.1:7117", "http://", "http://x/?a", "ftp://x"] {
            assert!(base_url(bad).is_err(), "{bad:?} was accepted");
        }
    }
}

//! How a session reaches its master.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use capataz_api::client::{Connector, Speaks, TrustError, connector};
use capataz_api::problem::{Code, Problem};
use capataz_api::proto::{self, workers_client::WorkersClient};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Endpoint;

/// How long a TCP connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// What may be on its way to this worker: a full frame of work fits several times.
const WINDOW_BYTES: u32 = 8 << 20;
/// The largest frame taken: a master cuts frames of work at 1 MiB, and one spec may be over it.
const FRAME_BYTES: usize = 8 << 20;

/// What the master sends.
pub type Incoming = Pin<Box<dyn Stream<Item = Result<proto::MasterFrame, LinkError>> + Send>>;

/// A connection on its way.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Incoming, LinkError>> + Send>>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The master does not take the token: trying again is pointless.
    #[error("not authorized: {0}")]
    Unauthorized(String),
    /// The master refuses with a problem; its code says whether to try again.
    #[error("refused: {}", .0.detail)]
    Refused(Problem),
    /// Anything that may pass.
    #[error("{0}")]
    Lost(String),
}

/// Makes connections to a master.
pub trait Connect: Send + 'static {
    /// Opens a connection that sends what comes out of `outgoing`, where the hello waits already.
    /// Dropping what it returns closes the connection.
    fn connect(&mut self, outgoing: mpsc::Receiver<proto::WorkerFrame>) -> Connecting;
}

/// A server's address or token is unusable.
#[derive(Debug, thiserror::Error)]
pub enum ServerAddressError {
    /// No server was named.
    #[error("at least one server is needed, such as http://127.0.0.1:7117")]
    None,
    /// An address is no URL.
    #[error("{address:?} is not the address of a server, such as http://127.0.0.1:7117: {cause}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        cause: tonic::transport::Error,
    },
    /// Nobody can vouch for a server whose address is `https`.
    #[error("the server at {address} cannot be trusted: {cause}")]
    Trust {
        /// The server.
        address: String,
        /// What is missing or broken.
        cause: TrustError,
    },
    /// A token has characters that no token has.
    #[error("the token has characters that cannot be sent in a header")]
    Token,
}

/// Connections over gRPC, to one server after the other until one answers.
#[derive(Debug)]
pub struct GrpcConnect {
    servers: Vec<(Endpoint, Connector)>,
    next: usize,
    token: Option<MetadataValue<Ascii>>,
}

impl GrpcConnect {
    /// Connects to any of some servers of one cluster, with a token when they ask for one. Those
    /// with `https` addresses are to be vouched for by the system's certificates.
    ///
    /// # Errors
    ///
    /// An address or the token that cannot work.
    pub fn new(
        servers: impl IntoIterator<Item = impl Into<String>>,
        token: Option<&str>,
    ) -> Result<GrpcConnect, ServerAddressError> {
        GrpcConnect::trusting(None, servers, token)
    }

    /// The same, with the file of certificates, in PEM, that may vouch for the servers.
    ///
    /// # Errors
    ///
    /// An address, a token or certificates that cannot work.
    pub fn trusting(
        ca: Option<&Path>,
        servers: impl IntoIterator<Item = impl Into<String>>,
        token: Option<&str>,
    ) -> Result<GrpcConnect, ServerAddressError> {
        let servers = servers
            .into_iter()
            .map(|address| endpoint(address.into(), ca));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() {
            return Err(ServerAddressError::None);
        }
        let token = token.map(|token| format!("Bearer {}", token.trim()).parse());
        let token = token.transpose().map_err(|_| ServerAddressError::Token)?;
        Ok(GrpcConnect {
            servers,
            next: 0,
            token,
        })
    }
}

fn endpoint(
    address: String,
    ca: Option<&Path>,
) -> Result<(Endpoint, Connector), ServerAddressError> {
    let made = connector(&address, ca, Speaks::Http2);
    let endpoint = Endpoint::from_shared(address.clone()).map_err(|cause| {
        let address = address.clone();
        ServerAddressError::Address { address, cause }
    })?;
    let connector = made.map_err(|cause| ServerAddressError::Trust { address, cause })?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_PATIENCE)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    Ok((endpoint, connector))
}

impl Connect for GrpcConnect {
    fn connect(&mut self, outgoing: mpsc::Receiver<proto::WorkerFrame>) -> Connecting {
        let (endpoint, connector) = self.servers[self.next % self.servers.len()].clone();
        self.next = self.next.wrapping_add(1);
        let token = self.token.clone();
        Box::pin(async move {
            let connected = endpoint.connect_with_connector(connector).await;
            let channel = connected.map_err(|error| {
                LinkError::Lost(format!(
                    "{} cannot be reached: {}",
                    endpoint.uri(),
                    deepest(&error)
                ))
            })?;
            let mut client = WorkersClient::new(channel).max_decoding_message_size(FRAME_BYTES);
            let mut request = tonic::Request::new(ReceiverStream::new(outgoing));
            if let Some(token) = token {
                request.metadata_mut().insert("authorization", token);
            }
            let frames = client.session(request).await.map_err(refused)?.into_inner();
            Ok(frames.map(|frame| frame.map_err(refused)).boxed())
        })
    }
}

/// The cause of a transport error: its outermost text says no more than that there is one.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

fn refused(status: tonic::Status) -> LinkError {
    if let Some(problem) = Problem::from_status(&status) {
        return LinkError::Refused(problem);
    }
    match status.code() {
        tonic::Code::Unauthenticated | tonic::Code::PermissionDenied => {
            LinkError::Unauthorized(status.message().to_owned())
        }
        tonic::Code::InvalidArgument => {
            LinkError::Refused(Problem::new(Code::InvalidField, status.message()))
        }
        _ => LinkError::Lost(format!("{}: {}", status.code(), status.message())),
    }
}

//! Starting and stopping a server.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use capataz_api::proto;
use capataz_journal::disk::create_folders;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::service::Routes;

use super::listen::listen;
use super::options::{ServeOptions, UnsafeBind};
use super::tls::{Tls, TlsError};
use super::token::{TokenError, admin_token};
use crate::access::{self, Access};
use crate::grpc::{MESSAGE_BYTES, TasksService, WorkersService};
use crate::namespace::{Namespace, NamespaceOptions, OpenError, RunningNamespace};
use crate::rest;

/// The file in the data folder that tells where the server listens.
const ADDRESS_FILE: &str = "address";
/// The only namespace so far; every key, path and call names it.
const NAMESPACE: &str = "default";

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is not safe to bind.
    #[error(transparent)]
    UnsafeBind(#[from] UnsafeBind),
    /// The data folder cannot be used.
    #[error("the data folder {} cannot be used: {source}", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The token cannot be read or made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be bound.
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        /// Which.
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The namespace does not open.
    #[error(transparent)]
    Open(#[from] Box<OpenError>),
    /// Opening it panicked.
    #[error("opening the namespace failed: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

/// A server at work.
pub struct Running {
    address: SocketAddr,
    tls: Option<Tls>,
    token: String,
    namespace: Option<RunningNamespace>,
    handle: Namespace,
    stop: watch::Sender<bool>,
    listener: JoinHandle<()>,
}

/// Opens the data folder, recovers what is in it, and listens.
///
/// # Errors
///
/// [`StartError`]; nothing was changed that a later start does not understand.
pub async fn serve(options: ServeOptions) -> Result<Running, StartError> {
    options.check_bind()?;
    let data_dir = options.data_dir.clone();
    let folder = |source| StartError::DataDir {
        path: data_dir.clone(),
        source,
    };
    make_private(&data_dir).map_err(folder)?;
    let tls = options.tls.clone().map(Tls::load).transpose()?;
    let token = admin_token(&data_dir)?;
    let bind = |source| StartError::Bind {
        listen: options.listen,
        source,
    };
    // Bound first: an address in use is found out before a long recovery, not after it.
    let listener = TcpListener::bind(options.listen).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let lease_ttl = options.namespace.owner.lease_ttl;
    let namespace = open_namespace(&data_dir, options.namespace).await?;
    let handle = namespace.handle();
    let url = url(address, tls.is_some());
    std::fs::write(data_dir.join(ADDRESS_FILE), format!("{url}\n")).map_err(folder)?;
    let (stop, stopped) = watch::channel(false);
    let access = Access::new(&token, address, &options.hosts, &handle);
    let router = router(handle.clone(), lease_ttl, stopped.clone())
        .layer(axum::middleware::from_fn_with_state(access, access::check))
        .layer(axum::middleware::from_fn(access::tell_browsers));
    let listener = tokio::spawn(listen(
        listener,
        tls.clone(),
        router,
        stopped,
        options.drain,
    ));
    Ok(Running {
        address,
        tls,
        token,
        namespace: Some(namespace),
        handle,
        stop,
        listener,
    })
}

fn url(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Makes the folder for its owner only: payloads and outputs are in clear there. One that is there
/// already stays as it is.
fn make_private(data_dir: &Path) -> io::Result<()> {
    if let Some(parent) = data_dir.parent() {
        create_folders(parent)?;
    }
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true).mode(0o700).create(data_dir)?;
    // It is there; its name is durable only now.
    create_folders(data_dir)
}

/// Opens the namespace of a data folder.
pub(super) async fn open_namespace(
    data_dir: &Path,
    options: NamespaceOptions,
) -> Result<RunningNamespace, StartError> {
    let folder = data_dir.join("namespaces").join(NAMESPACE);
    let opened =
        tokio::task::spawn_blocking(move || RunningNamespace::open(NAMESPACE, &folder, options));
    Ok(opened.await?.map_err(Box::new)?)
}

/// Closes it. What it has acknowledged is safe even when that fails.
pub(super) async fn close_namespace(namespace: RunningNamespace) {
    let closed = tokio::task::spawn_blocking(move || namespace.close()).await;
    if let Ok(Err(reason)) | Err(reason) = closed.map_err(|error| error.to_string()) {
        tracing::error!(reason, "the namespace did not close cleanly");
    }
}

/// REST and gRPC, for whoever gets this far.
pub(super) fn router(
    namespace: Namespace,
    lease_ttl: Duration,
    stop: watch::Receiver<bool>,
) -> Router {
    let tasks = TasksService {
        namespace: namespace.clone(),
        stop: stop.clone(),
    };
    let tasks = proto::tasks_server::TasksServer::new(tasks)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES);
    let workers = WorkersService {
        namespace: namespace.clone(),
        lease_ttl,
        stop: stop.clone(),
    };
    let workers = proto::workers_server::WorkersServer::new(workers)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES);
    let grpc = Routes::new(tasks)
        .add_service(workers)
        .prepare()
        .into_axum_router();
    rest::router(namespace, lease_ttl, stop).fallback_service(grpc)
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        url(self.address, self.tls.is_some())
    }

    /// Whether it speaks TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads certificate and key again, for the connections to come. Without TLS nothing is done.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; the old ones stay in use.
    pub fn reload_tls(&self) -> Result<(), TlsError> {
        self.tls.as_ref().map_or(Ok(()), Tls::reload)
    }

    /// The admin's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.handle
    }

    /// Waits until the namespace cannot go on, and says why. A server whose journal fails must
    /// not live: what it answered last may be unknown.
    pub async fn failed(&mut self) -> String {
        match self.namespace.as_mut() {
            Some(namespace) => namespace.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Stops: no new requests, then everything on its way becomes durable, then the files close.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let _ = (&mut self.listener).await;
        if let Some(namespace) = self.namespace.take() {
            close_namespace(namespace).await;
        }
    }
}

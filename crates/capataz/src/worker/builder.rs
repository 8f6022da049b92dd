//! Puts a worker together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use capataz_api::client::{ClientConfig, ClientError, TOKEN_FILE};
use capataz_server::LocalService;
use capataz_worker::inline::{Answer, Attempt, Handlers, InlineExecutor};
use capataz_worker::session::{
    CANCEL_GRACE, CONCURRENCY_MAX, GrpcConnect, Secrets, ServerAddressError, Session,
    SessionOptions, random_name,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tower::{Layer, Service};

use super::connect::Way;
use super::stack::{self, HandlerService, Stack, UserLayer};
use super::{HandlerError, RunningWorker};

/// A worker; begins with [`Worker::builder`].
#[derive(Debug)]
pub struct Worker;

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Nothing to run.
    #[error("a worker needs a handler for at least one group")]
    NoHandler,
    /// A group has two handlers.
    #[error("group {group:?} has two handlers")]
    TwoHandlers {
        /// Which.
        group: String,
    },
    /// The concurrency is out of range.
    #[error("concurrency must be 1 to {CONCURRENCY_MAX}, got {got}")]
    Concurrency {
        /// What was asked for.
        got: u32,
    },
    /// The server's address or the token cannot be used.
    #[error(transparent)]
    Server(#[from] ServerAddressError),
    /// The token cannot be read.
    #[error(transparent)]
    Config(#[from] ClientError),
    /// There is no tokio runtime to run on.
    #[error("a worker is started within a tokio runtime: {0}")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
}

impl Worker {
    /// A worker without handlers. Unless told otherwise it finds its server and token as a
    /// [`crate::Client`] does, has a pod of its own, and runs one attempt at a time.
    pub fn builder() -> WorkerBuilder {
        WorkerBuilder::default()
    }
}

/// Says what a worker runs and where. See [`Worker::builder`].
#[derive(Default)]
#[must_use = "a worker begins with `start`"]
pub struct WorkerBuilder {
    local: Option<LocalService>,
    servers: Vec<String>,
    token: Option<String>,
    tls_ca: Option<PathBuf>,
    name: Option<String>,
    pod: Option<String>,
    pod_slots: Option<u32>,
    concurrency: Option<u32>,
    remember: u32,
    affinity: Vec<String>,
    cancel_grace: Option<Duration>,
    secrets: Secrets,
    handlers: Vec<(String, HandlerService)>,
    layers: Vec<UserLayer>,
}

impl WorkerBuilder {
    /// Runs a group's tasks with an async function of the [`crate::Context`] and the payload,
    /// read from JSON. Its result becomes the output.
    pub fn handler<T, R, F, Work>(mut self, group: impl Into<String>, handler: F) -> WorkerBuilder
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: Fn(Attempt, T) -> Work + Send + Sync + 'static,
        Work: Future<Output = Result<R, HandlerError>> + Send + 'static,
    {
        self.handlers.push((group.into(), stack::typed(handler)));
        self
    }

    /// As [`WorkerBuilder::handler`], with the payload's bytes as they are.
    pub fn bytes_handler<R, F, Work>(
        mut self,
        group: impl Into<String>,
        handler: F,
    ) -> WorkerBuilder
    where
        R: Into<Answer> + 'static,
        F: Fn(Attempt, Bytes) -> Work + Send + Sync + 'static,
        Work: Future<Output = Result<R, HandlerError>> + Send + 'static,
    {
        self.handlers.push((group.into(), stack::untyped(handler)));
        self
    }

    /// Puts a layer around every handler, those added later too. The first one is outermost.
    pub fn layer<L>(mut self, layer: L) -> WorkerBuilder
    where
        L: Layer<HandlerService> + Send + Sync + 'static,
        L::Service: Service<Attempt, Response = Answer> + Clone + Send + Sync + 'static,
        <L::Service as Service<Attempt>>::Error: Into<HandlerError>,
        <L::Service as Service<Attempt>>::Future: Send + 'static,
    {
        self.layers.push(stack::user_layer(layer));
        self
    }

    /// A worker of a master in this process; servers named besides are not looked at.
    pub(crate) fn local(mut self, master: LocalService) -> WorkerBuilder {
        self.local = Some(master);
        self
    }

    /// A server, such as `http://127.0.0.1:7117`. Several are tried one after the other.
    pub fn server(mut self, url: impl Into<String>) -> WorkerBuilder {
        self.servers.push(url.into());
        self
    }

    /// The token to join with.
    pub fn token(mut self, token: impl Into<String>) -> WorkerBuilder {
        self.token = Some(token.into());
        self
    }

    /// A file with the certificates, in PEM, that may vouch for servers whose address is `https`:
    /// the system's own otherwise.
    pub fn tls_ca(mut self, file: impl Into<PathBuf>) -> WorkerBuilder {
        self.tls_ca = Some(file.into());
        self
    }

    /// The worker's name: this host's with a random suffix unless set. A later process with the
    /// same name on the same host takes the place of an earlier one.
    pub fn name(mut self, name: impl Into<String>) -> WorkerBuilder {
        self.name = Some(name.into());
        self
    }

    /// The pod to run in; one named like the worker unless set.
    pub fn pod(mut self, pod: impl Into<String>) -> WorkerBuilder {
        self.pod = Some(pod.into());
        self
    }

    /// The pod's slots, if this worker is its first; as many as [`WorkerBuilder::concurrency`]
    /// when the pod is the worker's own, else one.
    pub fn pod_slots(mut self, slots: u32) -> WorkerBuilder {
        self.pod_slots = Some(slots);
        self
    }

    /// Attempts to run at once; the pod's slots unless set, at most.
    pub fn concurrency(mut self, attempts: u32) -> WorkerBuilder {
        self.concurrency = Some(attempts);
        self
    }

    /// Prefers tasks whose affinity keys are those of its last so many tasks.
    pub fn remember(mut self, tasks: u32) -> WorkerBuilder {
        self.remember = tasks;
        self
    }

    /// Announces affinity keys.
    pub fn affinity(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> WorkerBuilder {
        self.affinity = keys.into_iter().map(Into::into).collect();
        self
    }

    /// How long a cancelled attempt may go on; five seconds unless set.
    pub fn cancel_grace(mut self, grace: Duration) -> WorkerBuilder {
        self.cancel_grace = Some(grace);
        self
    }

    /// Where tasks' secrets come from; there are none unless set.
    pub fn secrets(mut self, secrets: Secrets) -> WorkerBuilder {
        self.secrets = secrets;
        self
    }

    /// Starts the worker on the current tokio runtime. It connects in the background, and again
    /// after every break.
    ///
    /// # Errors
    ///
    /// [`WorkerError`]; a server that cannot be reached is none.
    pub fn start(mut self) -> Result<RunningWorker, WorkerError> {
        let runtime = Handle::try_current()?;
        let connect = self.connect()?;
        let handlers = std::mem::take(&mut self.handlers);
        let options = self.options(handlers.iter().map(|(group, _)| group.as_str()))?;
        let mut table = Handlers::new();
        for (group, handler) in handlers {
            table = table.group(group, Stack::new(handler, &self.layers));
        }
        let executor = Arc::new(InlineExecutor::new(table, runtime.clone()));
        let (session, handle) = Session::new(options, executor, connect);
        Ok(RunningWorker::new(handle, runtime.spawn(session.run())))
    }

    fn connect(&self) -> Result<Way, WorkerError> {
        if let Some(master) = &self.local {
            return Ok(Way::Local(master.clone()));
        }
        let mut servers = self.servers.clone();
        let mut token = self.token.clone();
        let named = std::env::var_os("CAPATAZ_TLS_CA").filter(|file| !file.is_empty());
        let tls_ca = self.tls_ca.clone().or(named.map(PathBuf::from));
        if servers.is_empty() {
            let found = ClientConfig::from_env()?;
            servers.push(found.server);
            token = token.or(found.token);
        } else if token.is_none() {
            let named = std::env::var("CAPATAZ_TOKEN").ok();
            token = ClientConfig::resolve(None, named, Path::new(TOKEN_FILE))?.token;
        }
        let connect = GrpcConnect::trusting(tls_ca.as_deref(), servers, token.as_deref());
        Ok(Way::Network(connect?))
    }

    fn options<'a>(
        &self,
        groups: impl Iterator<Item = &'a str>,
    ) -> Result<SessionOptions, WorkerError> {
        let mut served: Vec<&str> = Vec::new();
        for group in groups {
            if served.contains(&group) {
                return Err(WorkerError::TwoHandlers {
                    group: group.to_owned(),
                });
            }
            served.push(group);
        }
        if served.is_empty() {
            return Err(WorkerError::NoHandler);
        }
        let concurrency = self.concurrency.or(self.pod_slots).unwrap_or(1);
        if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
            return Err(WorkerError::Concurrency { got: concurrency });
        }
        let name = self.name.clone().unwrap_or_else(random_name);
        let own_slots = self.pod.is_none().then_some(concurrency);
        let pod = self.pod.clone().unwrap_or_else(|| name.clone());
        let mut options = SessionOptions::new(name, pod, served);
        options.pod_slots = self.pod_slots.or(own_slots);
        options.concurrency = concurrency;
        options.remember = self.remember;
        options.affinity.clone_from(&self.affinity);
        options.cancel_grace = self.cancel_grace.unwrap_or(CANCEL_GRACE);
        options.secrets = self.secrets.clone();
        Ok(options)
    }
}

//! A master without a listener: REST and gRPC for callers in this process.
//!
//! There is no address, no token and no access check here: who can call it is in this process and
//! could read its memory.

use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{self, Poll};

use axum::body::{Body, HttpBody};
use axum::http::{Request, Response};
use axum::{Extension, Router};
use bytes::Bytes;
use tokio::sync::watch;
use tower::{BoxError, Service};

use super::start::{StartError, close_namespace, open_namespace, router};
use crate::access::Caller;
use crate::namespace::{Namespace, NamespaceOptions, RunningNamespace};

/// A master in this process.
///
/// Dropping it stops it: that blocks until what is on its way is durable, and only
/// [`Local::close`] logs why it did not become so.
pub struct Local {
    service: LocalService,
    stop: watch::Sender<bool>,
    handle: Namespace,
    namespace: Option<RunningNamespace>,
}

/// Answers REST and gRPC requests as long as its [`Local`] is open and well. Cheap to clone.
#[derive(Clone)]
pub struct LocalService {
    router: Arc<RwLock<Option<Router>>>,
}

/// The master was closed or has failed, for good: no later try can do better.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it was closed, or it has failed")]
pub struct Closed;

impl Local {
    /// Opens the namespace in a data folder as a server would, or one in memory when the options
    /// say so: then the folder is neither made nor looked at.
    ///
    /// # Errors
    ///
    /// [`StartError::Open`] or [`StartError::Panicked`].
    pub async fn open(data_dir: &Path, options: NamespaceOptions) -> Result<Local, StartError> {
        let lease_ttl = options.owner.lease_ttl;
        let namespace = open_namespace(data_dir, options).await?;
        let handle = namespace.handle();
        let (stop, stopped) = watch::channel(false);
        let router = router(handle.clone(), lease_ttl, stopped).layer(Extension(Caller::owner()));
        let service = LocalService {
            router: Arc::new(RwLock::new(Some(router))),
        };
        tokio::spawn(end_with(handle.clone(), service.clone(), stop.clone()));
        Ok(Local {
            service,
            stop,
            handle,
            namespace: Some(namespace),
        })
    }

    /// What answers its requests, until it is closed.
    pub fn service(&self) -> LocalService {
        self.service.clone()
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.handle
    }

    /// Waits until the namespace cannot go on, and says why.
    pub async fn failed(&mut self) -> String {
        match self.namespace.as_mut() {
            Some(namespace) => namespace.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Stops: no new requests, streams end, then everything on its way becomes durable, then the
    /// files close. Nobody is waited for: a request that is under way is answered, or told that
    /// its outcome is not known.
    pub async fn close(mut self) {
        self.end_requests();
        if let Some(namespace) = self.namespace.take() {
            close_namespace(namespace).await;
        }
    }

    fn end_requests(&self) {
        end_requests(&self.service, &self.stop);
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.end_requests();
    }
}

/// New requests are refused first, so that nobody whose stream ends opens it again.
fn end_requests(service: &LocalService, stop: &watch::Sender<bool>) {
    service.close();
    stop.send_replace(true);
}

/// Ends all requests when the namespace has stopped, for whatever reason: one that failed does not
/// come back, so nobody is to try again.
async fn end_with(namespace: Namespace, service: LocalService, stop: watch::Sender<bool>) {
    let mut projected = namespace.watch_projected();
    // What it holds must not outlive the master.
    drop(namespace);
    // Its other side is the store's thread, which ends with the owner's.
    let ended = projected.wait_for(|_| false).await;
    debug_assert!(ended.is_err(), "nothing else was waited for");
    drop(ended);
    end_requests(&service, &stop);
}

impl LocalService {
    fn router(&self) -> Result<Router, Closed> {
        let router = self.router.read().unwrap_or_else(PoisonError::into_inner);
        router.clone().ok_or(Closed)
    }

    /// Lets go of the router, and with it of all that clones of this would keep open.
    fn close(&self) {
        let mut router = self.router.write().unwrap_or_else(PoisonError::into_inner);
        drop(router.take());
    }
}

impl<B> Service<Request<B>> for LocalService
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Closed;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Closed>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Closed>> {
        Poll::Ready(self.router().map(drop))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let router = self.router();
        Box::pin(async move {
            let answered: Result<_, Infallible> = router?.call(request).await;
            Ok(answered.unwrap_or_else(|never| match never {}))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_namespace_that_failed_takes_no_requests() {
        let options = NamespaceOptions {
            in_memory: true,
            ..NamespaceOptions::default()
        };
        let opened = Local::open(Path::new("unused"), options).await;
        let mut local = opened.expect("it opens");
        let service = local.service();
        let ask = |path: &str| {
            let request = Request::get(path).body(Body::empty());
            service.clone().oneshot(request.expect("a request"))
        };
        let ready = ask("/readyz").await.expect("an answer");
        assert_eq!(ready.status(), 200);
        let events = ask("/api/v1/events").await.expect("a stream").into_body();

        let broken = local.namespace().query(|_| panic!("on purpose")).await;
        broken.expect_err("nothing answers that");
        assert!(local.failed().await.contains("panicked"));
        let patience = Duration::from_secs(10);
        let ended = tokio::time::timeout(patience, axum::body::to_bytes(events, 1 << 20));
        ended.await.expect("its end").expect("no error");
        assert_eq!(ask("/readyz").await.expect_err("nobody is there"), Closed);
    }
}

//! The services around a handler.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use capataz_worker::inline::{self, Attempt, Handler, HandlerFuture};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

pub use capataz_worker::inline::Answer;

use super::HandlerError;
use super::timing::TimingLayer;
use super::trace::TraceLayer;
use crate::payload;

/// A handler as layers see it.
pub type HandlerService = BoxCloneSyncService<Attempt, Answer, HandlerError>;

/// Wraps a handler into one layer of the user's.
pub(super) type UserLayer = Arc<dyn Fn(HandlerService) -> HandlerService + Send + Sync>;

/// Erases a layer's types.
pub(super) fn user_layer<L>(layer: L) -> UserLayer
where
    L: Layer<HandlerService> + Send + Sync + 'static,
    L::Service: Service<Attempt, Response = Answer> + Clone + Send + Sync + 'static,
    <L::Service as Service<Attempt>>::Error: Into<HandlerError>,
    <L::Service as Service<Attempt>>::Future: Send + 'static,
{
    Arc::new(move |inner| BoxCloneSyncService::new(layer.layer(inner).map_err(Into::into)))
}

/// The bottom of the stack for a typed handler.
pub(super) fn typed<T, R, F, Work>(handler: F) -> HandlerService
where
    T: DeserializeOwned + Send + 'static,
    R: Serialize,
    F: Fn(Attempt, T) -> Work + Send + Sync + 'static,
    Work: Future<Output = Result<R, HandlerError>> + Send + 'static,
{
    let handler = Arc::new(handler);
    BoxCloneSyncService::new(tower::service_fn(move |attempt: Attempt| {
        let handler = handler.clone();
        async move {
            let payload = payload::decode(&attempt.payload).map_err(|error| {
                HandlerError::fatal(format!(
                    "the payload is not what this handler takes: {error}"
                ))
            })?;
            let value = handler(attempt, payload).await?;
            let output = payload::encode(&value).map_err(|error| {
                HandlerError::fatal(format!("the output cannot be written as JSON: {error}"))
            })?;
            Ok(output.map_or(Answer::Nothing, Answer::Output))
        }
    }))
}

/// The bottom of the stack for a handler of bytes.
pub(super) fn untyped<R, F, Work>(handler: F) -> HandlerService
where
    R: Into<Answer>,
    F: Fn(Attempt, Bytes) -> Work + Send + Sync + 'static,
    Work: Future<Output = Result<R, HandlerError>> + Send + 'static,
{
    let handler = Arc::new(handler);
    BoxCloneSyncService::new(tower::service_fn(move |attempt: Attempt| {
        let handler = handler.clone();
        async move {
            let payload = attempt.payload.clone();
            handler(attempt, payload).await.map(Into::into)
        }
    }))
}

/// A handler with everything around it.
pub(super) struct Stack {
    service: HandlerService,
}

impl Stack {
    pub(super) fn new(handler: HandlerService, layers: &[UserLayer]) -> Stack {
        let inner = layers
            .iter()
            .rev()
            .fold(handler, |inner, layer| layer(inner));
        let service = TraceLayer.layer(TimingLayer::default().layer(inner));
        Stack {
            service: BoxCloneSyncService::new(service),
        }
    }
}

impl Handler for Stack {
    fn call(&self, attempt: Attempt) -> HandlerFuture {
        let service = self.service.clone();
        Box::pin(async move {
            match service.oneshot(attempt).await {
                Ok(answer) => Ok(answer),
                Err(HandlerError::Again(after)) => Ok(Answer::Again(after)),
                Err(HandlerError::Retryable(message)) => Err(inline::HandlerError::new(message)),
                Err(HandlerError::Fatal(message)) => Err(inline::HandlerError::fatal(message)),
            }
        })
    }
}

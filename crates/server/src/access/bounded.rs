//! Bodies that end when their caller's token does: whatever streams in or out, over REST or gRPC,
//! it does so no longer than its caller may ask.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::Caller;

/// The status of gRPC that says that there is no valid token.
const UNAUTHENTICATED: HeaderValue = HeaderValue::from_static("16");
const REVOKED: HeaderValue = HeaderValue::from_static("the token was revoked or has expired");

/// How a body ends that has to.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    /// A request's: as one that broke off.
    BrokenOff,
    /// A stream's of REST: as one that is over, to be resumed with a valid token.
    Silent,
    /// An answer's of gRPC: with a status.
    Status,
}

/// The token ended while a request came in.
#[derive(Debug, thiserror::Error)]
#[error("the token was revoked or has expired")]
struct Revoked;

struct Bounded {
    inner: Body,
    /// Gone once it has ended.
    ended: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    ending: Ending,
}

/// The body, for as long as its caller's token is good.
pub(super) fn bound(inner: Body, caller: &Caller, ending: Ending) -> Body {
    // What is whole already cannot outlive anything.
    if !caller.can_end() || inner.size_hint().exact().is_some() {
        return inner;
    }
    let caller = caller.clone();
    Body::new(Bounded {
        inner,
        ended: Some(Box::pin(async move { caller.ended().await })),
        ending,
    })
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(ended) = self.ended.as_mut() else {
            return Poll::Ready(None);
        };
        if ended.as_mut().poll(context).is_pending() {
            return Pin::new(&mut self.inner).poll_frame(context);
        }
        self.ended = None;
        // Whoever feeds it hears that nobody listens any more.
        self.inner = Body::empty();
        Poll::Ready(match self.ending {
            Ending::Silent => None,
            Ending::BrokenOff => Some(Err(axum::Error::new(Revoked))),
            Ending::Status => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", UNAUTHENTICATED);
                trailers.insert("grpc-message", REVOKED);
                Some(Ok(Frame::trailers(trailers)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

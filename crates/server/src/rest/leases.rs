//! Leasing attempts to workers that have nothing but an HTTP client.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use capataz_api::rest::{Lease, LeaseRequest, Leases};
use capataz_api::spec::TaskSpec;
use capataz_api::{Span, proto};
use capataz_engine::{Hello, Submission};
use prost::Message;

use super::context::Context;
use super::refusal::Answer;
use super::request::{self, NoQuery, Peer};
use crate::access::{Caller, check_worker};
use crate::convert;
use crate::grpc::with_bodies;

/// What such a worker says of its build: nothing.
const BUILD: &str = "";

/// Leases of one answer: with the largest payloads that is some 25 MiB.
const LEASES: u32 = 100;

/// Lease attempts
///
/// Waits until there is work, or for `wait`. One answer has 100 leases at the most. A slot of the
/// pod is taken until its lease ends. When the answer was lost, the same `poll_id` gets the same
/// leases again.
#[utoipa::path(post, path = "/api/v1/leases", operation_id = "lease_attempts", tag = "attempts",
    request_body(content = LeaseRequest, example = json!({
        "worker": "py-1", "pod": "laptop", "groups": ["hash"], "max": 1, "wait": 20,
        "poll_id": "6f1c",
    })),
    responses(
        (status = 200, description = "The leases; none when no work came up.", body = Leases),
        (status = 409, description = "The worker's name is in use, or it was replaced."),
        (status = 429, description = "There are too many workers, groups or pods."),
    ))]
pub(super) async fn lease(
    State(context): State<Context>,
    caller: Caller,
    _: NoQuery,
    peer: Peer,
    request::Json(request): request::Json<LeaseRequest>,
) -> Answer<Json<Leases>> {
    check_worker(
        &context.namespace,
        &caller,
        &request.worker,
        &request.groups,
    )
    .await?;
    let random = || uuid::Uuid::new_v4().to_string();
    let poll_id = request.poll_id.clone().unwrap_or_else(random);
    let poll = convert::hash(poll_id.as_bytes());
    let (max, wait) = (request.max.min(LEASES), Duration::from(request.wait));
    let leased = context
        .namespace
        .poll(hello(request, &peer), poll, max, wait);
    let leased = tokio::select! {
        leased = leased => leased?,
        // The leases that come now are not lost: the next call with this poll id gets them.
        () = context.stopped() => return Err(Context::stopping().into()),
        () = caller.ended() => return Err(Caller::over().into()),
    };
    let mut leases = Vec::with_capacity(leased.len());
    for ((key, attempt), body) in with_bodies(&context.namespace, leased).await {
        match proto::TaskSpec::decode(body) {
            Ok(spec) => leases.push(Lease {
                task: key.to_string(),
                attempt,
                index: key.index(),
                spec: TaskSpec::from(&spec),
            }),
            // Its lease runs out, and the task fails when its budget of lost workers is used up.
            Err(error) => tracing::error!(task = %key, %error, "a leased task is damaged"),
        }
    }
    let lease_ttl = Span::from(context.lease_ttl);
    Ok(Json(Leases {
        poll_id,
        lease_ttl,
        leases,
    }))
}

fn hello(request: LeaseRequest, peer: &Peer) -> Hello {
    let address = || {
        peer.0
            .map_or_else(|| "unknown".to_owned(), |peer| peer.ip().to_string())
    };
    Hello {
        // One incarnation for good: such a worker does not say when its process began.
        incarnation: convert::hash(request.worker.as_bytes()),
        connection: 0,
        name: request.worker,
        host: request.host.unwrap_or_else(address),
        build: BUILD.to_owned(),
        pod: request.pod,
        pod_slots: request.slots,
        groups: request.groups,
        concurrency: 0,
        polling: true,
        remember: 0,
        affinity: request
            .affinity
            .iter()
            .map(|key| Submission::affinity_hash(key))
            .collect(),
        running: Vec::new(),
    }
}

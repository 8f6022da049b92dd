//! Whether the server lives, and whether it is ready to be asked.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Context;
use super::refusal::ProblemResponse;
use super::request::NoQuery;
use crate::namespace::Gauges;

/// What a probe is told.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// Whether requests are answered.
    ready: bool,
    /// `leader` while this server may append to the journal, else `stopped`.
    role: &'static str,
    /// Records that are durable and that lists do not show yet.
    lag_records: u64,
    /// Their bytes.
    lag_bytes: u64,
    /// New tasks are refused for lack of room on disk.
    full: bool,
}

impl Health {
    fn of(context: &Context) -> Health {
        use std::sync::atomic::Ordering::Relaxed;
        let gauges = context.namespace.gauges();
        let stopped = gauges.stopped.load(Relaxed);
        let stopping = *context.stop.borrow();
        let tail = Gauges::get(&gauges.journal_position);
        Health {
            ready: !stopped && !stopping,
            role: if stopped { "stopped" } else { "leader" },
            lag_records: tail.saturating_sub(Gauges::get(&gauges.store_position)),
            lag_bytes: Gauges::get(&gauges.lag_bytes),
            full: gauges.journal_full.load(Relaxed) || gauges.store_full.load(Relaxed),
        }
    }
}

/// Whether the process answers
///
/// Says nothing about the journal or the disk: a process that answers this need not be restarted.
#[utoipa::path(get, path = "/livez",
    operation_id = "livez", tag = "server", security(()), responses(
    (status = 200, description = "It lives.", body = String, content_type = "text/plain"),
))]
pub(super) async fn livez(_: NoQuery) -> Result<&'static str, ProblemResponse> {
    Ok("ok\n")
}

/// Whether requests can be sent
#[utoipa::path(get, path = "/readyz",
    operation_id = "readyz", tag = "server", security(()), responses(
    (status = 200, description = "It is ready.", body = Health),
    (status = 503, description = "It starts, stops or has failed.", body = Health),
))]
pub(super) async fn readyz(
    State(context): State<Context>,
    _: NoQuery,
) -> Result<Response, ProblemResponse> {
    let health = Health::of(&context);
    let status = if health.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok((status, Json(health)).into_response())
}

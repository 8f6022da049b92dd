//! The audit trail as JSON lines: what happened to runs, and what callers did.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use capataz_api::rest::{AuditLine, AuditQuery};
use capataz_engine::{RunId, Timestamp};
use futures_util::Stream;

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{JSON_LINES, Path, Query};
use super::run_item;
use super::task_item::{some, state, time};
use crate::store::{AuditFilter, AuditRecord};

/// Lines that are read at once.
const STEP: usize = 1_000;

/// Export the audit trail of a run
///
/// One line of JSON for each transition of the run, its steps, their tasks and attempts, and for
/// each thing that a caller did to it, in the order in which they happened.
#[utoipa::path(get, path = "/api/v1/runs/{id}/audit", operation_id = "audit_run", tag = "runs",
    params(AuditQuery, ("id" = String, Path, description = "Such as `r17`.")),
    responses((status = 200, description = "Each line is one of these.", body = AuditLine,
        content_type = "application/x-ndjson")))]
pub(super) async fn of_run(
    State(context): State<Context>,
    Path(id): Path<String>,
    Query(query): Query<AuditQuery>,
) -> Answer<impl IntoResponse> {
    let run = run_item::id(&id)?;
    context.catch_up().await?;
    let found = context.read(move |store| store.run(run)).await?;
    found.ok_or_else(|| not_found("run", &id))?;
    Ok(export(context, Some(run), query))
}

/// Export the audit trail
///
/// Of all runs, and of what callers did to tasks, groups, pods, workers, tokens and workflows.
/// Plain tasks are not in it line by line: `GET /tasks/{id}` has their times and attempts.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "audit", tag = "server",
    params(AuditQuery),
    responses((status = 200, description = "Each line is one of these.", body = AuditLine,
        content_type = "application/x-ndjson")))]
pub(super) async fn of_all(
    State(context): State<Context>,
    Query(query): Query<AuditQuery>,
) -> Answer<impl IntoResponse> {
    context.catch_up().await?;
    Ok(export(context, None, query))
}

/// Streams what there is: what comes meanwhile is part of it as long as it goes on.
fn export(context: Context, run: Option<RunId>, query: AuditQuery) -> impl IntoResponse {
    let filter = AuditFilter {
        run,
        since: query.since.map(|since| Timestamp(since.0)),
        until: query.until.map(|until| Timestamp(until.0)),
        after: query.after.unwrap_or(0),
        limit: query.limit.unwrap_or(usize::MAX),
    };
    let body = Body::from_stream(lines(context, filter));
    ([(header::CONTENT_TYPE, JSON_LINES)], body)
}

fn lines(context: Context, mut filter: AuditFilter) -> impl Stream<Item = io::Result<Bytes>> {
    async_stream::stream! {
        let mut left = filter.limit;
        loop {
            filter.limit = STEP.min(left);
            let step = filter;
            let read = context.read(move |store| store.audit(&step)).await;
            let Ok(records) = read else {
                yield Err(io::Error::other("the store could not be read"));
                return;
            };
            let (count, last) = (records.len(), records.last().map(|record| record.seq));
            let mut text = Vec::new();
            for record in records {
                // Texts and numbers are always JSON.
                let _ = serde_json::to_writer(&mut text, &line(record));
                text.push(b'\n');
            }
            if !text.is_empty() {
                yield Ok(Bytes::from(text));
            }
            left -= count;
            filter.after = last.unwrap_or(filter.after);
            if count < step.limit || left == 0 {
                return;
            }
        }
    }
}

fn line(record: AuditRecord) -> AuditLine {
    AuditLine {
        seq: record.seq,
        time: time(record.at),
        actor: record.actor,
        action: record.action.name().to_owned(),
        run: record.run.map(|run| run.to_string()),
        step: record.step,
        task: record.task.map(|task| task.to_string()),
        attempt: record.attempt,
        from: record.from.map(state),
        to: record.to.map(state),
        reason: some(record.reason),
        element: record.element,
        upstream: record.upstream,
        subject: record.subject,
        note: some(record.note),
    }
}

//! Steering runs.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use capataz_api::problem::{Code, Problem};
use capataz_api::rest::{CancelRunRequest, Changed, NoBody, RerunRequest};
use capataz_engine::{Command, Rejection, Reopening, RunId};

use super::context::Context;
use super::refusal::{Answer, ProblemResponse, not_found};
use super::request::{Change, IdempotencyKey, NoQuery, Once, Path};
use super::run_item;
use crate::owner::CallError;

/// Cancel a run
///
/// Its waiting tasks are cancelled, running ones are told to stop, and nothing of it starts any
/// more. The run has ended once all of that has.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", operation_id = "cancel_run", tag = "runs",
    params(IdempotencyKey, ("id" = String, Path, description = "Such as `r17`.")),
    request_body = CancelRunRequest,
    responses(
        (status = 200, description = "Nothing of it starts any more.", body = Changed),
        (status = 409, description = "The run has ended, or the request id means something else."),
    ))]
pub(super) async fn cancel(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
    change: Change<CancelRunRequest>,
) -> Answer<Json<Changed>> {
    let run = run_item::id(&id)?;
    let note = change.body.note.unwrap_or_default();
    steer(&context, run, change.once, Command::CancelRun { run, note }).await
}

/// Hold the steps of a run back
///
/// What runs goes on; nothing of it starts, and its waiting tasks wait for no worker.
#[utoipa::path(post, path = "/api/v1/runs/{id}/pause", operation_id = "pause_run", tag = "runs",
    params(IdempotencyKey, ("id" = String, Path, description = "Such as `r17`.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "Nothing of it starts.", body = Changed),
        (status = 409, description = "The run has ended, or the request id means something else."),
    ))]
pub(super) async fn pause(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    let run = run_item::id(&id)?;
    steer(
        &context,
        run,
        change.once,
        Command::PauseRun { run, on: true },
    )
    .await
}

/// Let the steps of a run go on
#[utoipa::path(post, path = "/api/v1/runs/{id}/resume", operation_id = "resume_run", tag = "runs",
    params(IdempotencyKey, ("id" = String, Path, description = "Such as `r17`.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "Its steps start.", body = Changed),
        (status = 409, description = "The run has ended, or the request id means something else."),
    ))]
pub(super) async fn resume(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    let run = run_item::id(&id)?;
    steer(
        &context,
        run,
        change.once,
        Command::PauseRun { run, on: false },
    )
    .await
}

/// Run what failed once more
///
/// With what it kept from running, and with what answered it: cleanup steps wait for the new end.
/// What else succeeded stays as it is, and the history of what went before is kept.
#[utoipa::path(post, path = "/api/v1/runs/{id}/retry", operation_id = "retry_run", tag = "runs",
    params(IdempotencyKey, ("id" = String, Path, description = "Such as `r17`.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "The run goes on.", body = Changed),
        (status = 409, description = "Nothing of it failed, or the request id means something \
            else."),
        (status = 429, description = "The namespace is full."),
        (status = 507, description = "The disk or its quota is full."),
    ))]
pub(super) async fn retry(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    let run = run_item::id(&id)?;
    reopen(&context, change.once, run, None, true).await
}

/// Run chosen steps once more
///
/// Also of a run that succeeded; with everything after them, unless `descendants` is false.
#[utoipa::path(post, path = "/api/v1/runs/{id}/rerun", operation_id = "rerun", tag = "runs",
    params(IdempotencyKey, ("id" = String, Path, description = "Such as `r17`.")),
    request_body(content = RerunRequest, example = json!({"steps": ["load"]})),
    responses(
        (status = 200, description = "The run goes on.", body = Changed),
        (status = 409, description = "A step has not ended, or the request id means something \
            else."),
        (status = 429, description = "The namespace is full."),
        (status = 507, description = "The disk or its quota is full."),
    ))]
pub(super) async fn rerun(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
    change: Change<RerunRequest>,
) -> Answer<Json<Changed>> {
    let run = run_item::id(&id)?;
    let RerunRequest { steps, descendants } = change.body;
    let descendants = descendants.unwrap_or(true);
    reopen(&context, change.once, run, Some(steps), descendants).await
}

async fn reopen(
    context: &Context,
    once: Once,
    run: RunId,
    steps: Option<Vec<String>>,
    descendants: bool,
) -> Answer<Json<Changed>> {
    let archive = archive(context, run).await?;
    let reopening = Reopening {
        run,
        archive,
        steps,
        descendants,
    };
    steer(context, run, once, Command::Reopen(reopening)).await
}

/// What was kept of a run that has ended; none for one that lives.
pub(super) async fn archive(context: &Context, run: RunId) -> Answer<Option<Bytes>> {
    let read = move |state: &capataz_engine::State| {
        let kept = state.run_archive(run).map(Bytes::copy_from_slice);
        (state.run_view(run, 0).is_some(), kept)
    };
    let ((lives, kept), position) = context.namespace.query(read).await?;
    if lives || kept.is_some() {
        return Ok(kept);
    }
    context.await_store(position).await?;
    context.read(move |store| store.run_archive(run)).await
}

/// Carries out a command about a run.
async fn steer(
    context: &Context,
    run: RunId,
    once: Once,
    command: Command,
) -> Answer<Json<Changed>> {
    match context.namespace.call(once.wrap(command)).await {
        Ok(called) => Ok(Json(Changed {
            position: called.position.get(),
        })),
        Err(CallError::Rejected(rejection @ Rejection::RunNotLive { .. })) => {
            Err(ended_or_unknown(context, run, rejection).await)
        }
        Err(error) => Err(error.into()),
    }
}

/// The engine knows what lives; whether a run ended or never was, the store remembers.
pub(super) async fn ended_or_unknown(
    context: &Context,
    run: RunId,
    rejection: Rejection,
) -> ProblemResponse {
    if let Err(refusal) = context.catch_up().await {
        return refusal;
    }
    match context.read(move |store| store.run(run)).await {
        Ok(None) => not_found("run", &run.to_string()).into(),
        Ok(Some(record)) => {
            let detail = format!("run {run} has ended: it is {}", record.phase.name());
            Problem::new(Code::NotLive, detail).into()
        }
        Err(_) => rejection.into(),
    }
}

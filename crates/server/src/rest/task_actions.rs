//! Cancelling and retrying tasks.

use axum::Json;
use axum::extract::State;
use capataz_api::problem::{Code, Problem};
use capataz_api::proto;
use capataz_api::rest::{CancelRequest, Changed, NoBody};
use capataz_engine::{Command, Key, Phase, Rejection, Revival, Submission};
use capataz_journal::Position;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::context::Context;
use super::refusal::{Answer, ProblemResponse, not_found};
use super::request::{Change, IdempotencyKey, NoQuery, Once, Path};
use super::task_item;
use crate::convert;
use crate::owner::CallError;
use crate::store::{Cursor, TaskRecord};

/// Elements of an array that are retried at once.
const RETRIES_IN_FLIGHT: usize = 256;
/// Elements that are read at once.
const ELEMENTS: usize = 1_000;

/// Cancel a task
///
/// Of an array everything that is unfinished is cancelled. A running attempt is told to stop, and
/// killed when it does not. Cancelling is idempotent by nature: what was cancelled has ended.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/cancel",
    operation_id = "cancel_task", tag = "tasks",
    params(
        IdempotencyKey,
        ("id" = String, Path, description = "Such as `12`, or `12.0` for an element."),
    ),
    request_body = CancelRequest,
    responses(
        (status = 200, description = "No new attempt starts.", body = Changed),
        (status = 409, description = "The task has ended, or the request id means something else."),
    ))]
pub(super) async fn cancel(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
    change: Change<CancelRequest>,
) -> Answer<Json<Changed>> {
    let key = task_item::key(&id)?;
    let note = change.body.note.unwrap_or_default();
    let command = change.once.wrap(Command::Cancel { key, note });
    match context.namespace.call(command).await {
        Ok(called) => Ok(Json(Changed {
            position: called.position.get(),
        })),
        Err(CallError::Rejected(rejection @ Rejection::NotLive { .. })) => {
            Err(ended_or_unknown(&context, key, rejection).await)
        }
        Err(error) => Err(error.into()),
    }
}

/// The engine knows what lives; whether a task ended or never was, the store remembers.
async fn ended_or_unknown(context: &Context, key: Key, rejection: Rejection) -> ProblemResponse {
    if let Err(refusal) = context.catch_up().await {
        return refusal;
    }
    match context.read(move |store| store.task(key)).await {
        Ok(None) => not_found("task", &key.to_string()).into(),
        Ok(Some(task)) => {
            let detail = format!("task {key} has ended: it is {}", task.phase.name());
            Problem::new(Code::NotLive, detail).task(key).into()
        }
        Err(_) => rejection.into(),
    }
}

/// Retry an ended task
///
/// Opens its next round, with fresh budgets and continuing attempt numbers. Of an array the failed
/// and cancelled elements are retried. Asked again while the new round lives, the answer is 409.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/retry", operation_id = "retry_task", tag = "tasks",
    params(
        IdempotencyKey,
        ("id" = String, Path, description = "Such as `12`, or `12.0` for an element."),
    ),
    request_body = NoBody,
    responses(
        (status = 200, description = "The task lives again.", body = Changed),
        (status = 409, description = "It has not ended, or the request id means something else."),
        (status = 429, description = "The namespace is full."),
        (status = 507, description = "The disk or its quota is full."),
    ))]
pub(super) async fn retry(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    let key = task_item::key(&id)?;
    context.catch_up().await?;
    let record = context.read(move |store| store.task(key)).await?;
    let record = record.ok_or_else(|| not_found("task", &id))?;
    if let Some(step) = record.step {
        let detail = format!("task {id} is a step of run {}", step.run);
        let hint = format!("retry the run: `POST /api/v1/runs/{}/retry`", step.run);
        return Err(Problem::new(Code::TaskOfRun, detail)
            .hint(hint)
            .task(key)
            .into());
    }
    // With a request id the engine is asked all the same: this may be the second try.
    if record.phase.is_live() && !change.once.is_named() {
        return Err(Rejection::StillLive { key }.into());
    }
    let spec = context.spec(key.task()).await?;
    let position = match record.elements {
        Some(_) if !record.phase.is_live() => {
            revive_elements(&context, &spec, key, change.once).await?
        }
        _ => revive(&context, &spec, record, change.once).await?,
    };
    Ok(Json(Changed {
        position: position.get(),
    }))
}

async fn revive(
    context: &Context,
    spec: &proto::TaskSpec,
    record: TaskRecord,
    once: Once,
) -> Answer<Position> {
    let dedup = spec.dedup_key.as_ref();
    let dedup = dedup.filter(|_| record.key.index().is_none());
    let revival = Revival {
        key: record.key,
        group: record.group,
        policy: convert::policy_of(spec),
        priority: record.priority,
        affinity: spec
            .affinity
            .iter()
            .map(|key| Submission::affinity_hash(key))
            .collect(),
        submitted_at: record.submitted_at,
        attempts: record.attempt,
        rounds: record.round,
        dedup: dedup.map(|key| convert::hash(key.as_bytes())),
    };
    let command = once.wrap(Command::Retry(revival));
    Ok(context.namespace.call(command).await?.position)
}

/// Retries the elements of an array that failed or were cancelled, many at once. The request id
/// goes with the last: once it is known, all are done. What a refusal leaves undone is done by
/// asking again, for elements that live again have not failed.
async fn revive_elements(
    context: &Context,
    spec: &proto::TaskSpec,
    array: Key,
    once: Once,
) -> Answer<Position> {
    let mut after: Option<Cursor> = None;
    let mut position = context.catch_up().await?;
    let mut last: Option<TaskRecord> = None;
    loop {
        let states = [Phase::Failed, Phase::Cancelled];
        let read = move |store: &crate::store::Reader| {
            store.elements(array.task(), &states, after, ELEMENTS)
        };
        // An array that retention removed meanwhile has no elements left.
        let Some(page) = context.read(read).await? else {
            return Ok(position);
        };
        let mut ready: Vec<TaskRecord> = last.take().into_iter().chain(page.items).collect();
        last = ready.pop();
        let revived = stream::iter(ready)
            .map(|record| revive(context, spec, record, once.unnamed()))
            .buffer_unordered(RETRIES_IN_FLIGHT)
            .try_fold(
                position,
                |most, position| async move { Ok(most.max(position)) },
            );
        position = revived.await?;
        after = page.cursor;
        if after.is_none() {
            break;
        }
    }
    match last {
        Some(record) => revive(context, spec, record, once).await,
        None => Ok(position),
    }
}

//! Starting, listing and showing runs, and waiting for them.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use capataz_api::limits::{LIST_LIMIT, LIST_LIMIT_DEFAULT};
use capataz_api::problem::{Code, Problem};
use capataz_api::rest::{
    RunDetail, RunPage, RunQuery, RunStarted, RunWaitRequest, RunWaited, RunsQuery, StartRunRequest,
};
use capataz_api::spec::check_name;
use capataz_engine::{RunId, RunView, Timestamp};
use capataz_journal::Position;
use tokio::time::Instant;

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{Change, IdempotencyKey, Json as Body, NoQuery, Path, Query};
use super::run_item::{self, Live};
use super::{run_actions, run_start};
use crate::store::{Reader, RunFilter};

/// Start a run
///
/// Of a registered workflow by its name, or of the definition that comes with it. With a `key` the
/// same request gives the same run, while it lives and an hour after.
#[utoipa::path(post, path = "/api/v1/runs", operation_id = "start_run", tag = "runs",
    params(IdempotencyKey),
    request_body(
        content = StartRunRequest,
        example = json!({"workflow": "etl", "parameters": {"day": "2026-01-01"}}),
    ),
    responses(
        (status = 201, description = "The run is accepted, durably.", body = RunStarted),
        (status = 409, description = "The key or request id stands for something else, another \
            version is registered, or another run holds the conflict key."),
        (status = 422, description = "The definition has flaws, or the parameters do not fit."),
        (status = 429, description = "The namespace is full."),
        (status = 507, description = "The disk or its quota is full."),
    ))]
pub(super) async fn start(
    State(context): State<Context>,
    _: NoQuery,
    change: Change<StartRunRequest>,
) -> Answer<impl IntoResponse> {
    let (run, position) = run_start::start(&context, &change).await?;
    let id = run.to_string();
    let location = format!("/api/v1/runs/{id}");
    let position = position.get();
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(RunStarted { id, position }),
    ))
}

/// List runs, newest first
///
/// A page may have fewer items than its limit and still not be the last: the last has no cursor.
#[utoipa::path(get, path = "/api/v1/runs", operation_id = "list_runs", tag = "runs",
    params(RunsQuery),
    responses((status = 200, description = "A page.", body = RunPage)))]
pub(super) async fn list(
    State(context): State<Context>,
    Query(query): Query<RunsQuery>,
) -> Answer<Json<RunPage>> {
    for (field, name) in [("workflow", &query.workflow), ("tag", &query.tag)] {
        name.as_ref()
            .map_or(Ok(()), |name| check_name(field, name))?;
    }
    let mut states = Vec::new();
    for state in query.state {
        let phase = run_item::run_phase(state).ok_or_else(|| {
            let expected = "queued, running, succeeded, failed or cancelled";
            let detail = format!("runs are {expected}, never {state}");
            let problem = Problem::new(Code::InvalidField, detail).field("state");
            problem.limit(expected).got(state)
        })?;
        states.push(phase);
    }
    let filter = RunFilter {
        workflow: query.workflow,
        states,
        tag: query.tag,
        since: query.since.map(|since| Timestamp(since.0)),
        before: query.cursor.map(parse_cursor).transpose()?,
        limit: query.limit.unwrap_or(LIST_LIMIT_DEFAULT),
    };
    match query.position {
        Some(position) => context.await_store(Position::new(position)).await?,
        None => context.catch_up_briefly().await?,
    }
    let position = context.namespace.watch_projected().borrow().get();
    let page = context.read(move |store| store.runs(&filter)).await?;
    let live = page.items.iter().filter(|run| run.phase.is_live());
    let views = views(&context, live.map(|run| run.id).collect()).await?;
    let items = page.items.iter();
    let items = items.map(|record| run_item::run(record, views.get(&record.id)));
    Ok(Json(RunPage {
        items: items.collect(),
        cursor: page.next.map(|next| next.to_string()),
        position,
    }))
}

fn parse_cursor(text: String) -> Result<RunId, Problem> {
    text.parse().map_err(|_| {
        let detail = format!("expected a cursor as a list returned it, got {text:?}");
        let problem = Problem::new(Code::InvalidField, detail);
        problem.field("cursor").got(&text)
    })
}

/// What of live runs only the engine knows.
async fn views(context: &Context, runs: Vec<RunId>) -> Answer<HashMap<RunId, RunView>> {
    if runs.is_empty() {
        return Ok(HashMap::new());
    }
    let read = move |state: &capataz_engine::State| {
        let view = |run: RunId| Some((run, state.run_view(run, 0)?));
        runs.into_iter().filter_map(view).collect()
    };
    Ok(context.namespace.query(read).await?.0)
}

/// Show a run
///
/// With its steps, up to 10,000 at a time. With `at` as it stood then, by the audit trail.
#[utoipa::path(get, path = "/api/v1/runs/{id}", operation_id = "show_run", tag = "runs",
    params(RunQuery, ("id" = String, Path, description = "Such as `r17`.")),
    responses((status = 200, description = "The run.", body = RunDetail)))]
pub(super) async fn show(
    State(context): State<Context>,
    Path(id): Path<String>,
    Query(query): Query<RunQuery>,
) -> Answer<Json<RunDetail>> {
    let run = run_item::id(&id)?;
    let (live, position) = context
        .namespace
        .query(move |state| Live::look(state, run))
        .await?;
    context.await_store(position).await?;
    let from = query.step_cursor.unwrap_or(0);
    let limit = query.limit.unwrap_or(LIST_LIMIT) as u32;
    if let Some(at) = query.at {
        let at = Timestamp(at.0);
        let read = move |store: &Reader| store.run_at(run, at, from, limit);
        let found = context.read(read).await?;
        let (record, page) = found.ok_or_else(|| not_found("run", &id))?;
        return Ok(Json(run_item::detail(&record, None, page, position.get())));
    }
    let read = move |store: &Reader| Ok((store.run(run)?, store.run_steps(run, from, limit)?));
    let (Some(record), Some(page)) = context.read(read).await? else {
        return Err(not_found("run", &id).into());
    };
    let mut detail = run_item::detail(&record, live.as_ref(), page, position.get());
    if !record.phase.is_live()
        && let Some(message) = message_left(&context, run).await?
    {
        detail.message = run_item::json(&message);
    }
    Ok(Json(detail))
}

/// The message that an ended run has left; `None` when no step of it alters the message.
async fn message_left(context: &Context, run: RunId) -> Answer<Option<Bytes>> {
    if !context.read(move |store| store.alters_message(run)).await? {
        return Ok(None);
    }
    let archive = run_actions::archive(context, run).await?;
    Ok(archive.and_then(|archive| capataz_engine::message_left(&archive)))
}

/// Show the definition that a run follows
///
/// As it was when the run started, with the steps that were added to it.
#[utoipa::path(get, path = "/api/v1/runs/{id}/definition", operation_id = "show_run_definition",
    tag = "runs", params(("id" = String, Path, description = "Such as `r17`.")),
    responses((status = 200, description = "The definition.", body = Object)))]
pub(super) async fn definition(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<impl IntoResponse> {
    let run = run_item::id(&id)?;
    context.catch_up().await?;
    let found = context.read(move |store| store.run_definition(run)).await?;
    let definition = found.ok_or_else(|| not_found("run", &id))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], definition))
}

/// Wait for a run to end
///
/// Answers when it has ended, or after `timeout`; asked again it goes on waiting.
#[utoipa::path(post, path = "/api/v1/runs/{id}/wait", operation_id = "wait_for_run", tag = "runs",
    params(("id" = String, Path, description = "Such as `r17`.")),
    request_body(content = RunWaitRequest, example = json!({"timeout": 30})),
    responses((status = 200, description = "How far it is.", body = RunWaited)))]
pub(super) async fn wait(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
    Body(request): Body<RunWaitRequest>,
) -> Answer<Json<RunWaited>> {
    let run = run_item::id(&id)?;
    let deadline = Instant::now() + std::time::Duration::from(request.timeout);
    let mut position = context.catch_up().await?;
    loop {
        let mut projected = context.namespace.watch_projected();
        position = position.max(*projected.borrow_and_update());
        let record = context.read(move |store| store.run(run)).await?;
        let record = record.ok_or_else(|| not_found("run", &id))?;
        let done = !record.phase.is_live();
        if done || Instant::now() >= deadline {
            let live = context.namespace.query(move |state| Live::look(state, run));
            let (live, _) = live.await?;
            return Ok(Json(RunWaited {
                done,
                run: run_item::single(&record, live.as_ref()),
                position: position.get(),
            }));
        }
        tokio::select! {
            _ = projected.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = context.stopped() => return Err(Context::stopping().into()),
        }
    }
}

//! Submitting, listing and showing tasks.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use capataz_api::limits::{LIST_LIMIT_DEFAULT, PAYLOAD_BYTES};
use capataz_api::problem::{Code, Problem};
use capataz_api::proto;
use capataz_api::rest::{Submission, Submitted, SubmittedBatch, TaskDetail, TaskPage, TasksQuery};
use capataz_api::spec::{self, TaskSpec};
use capataz_engine::{Ids, TaskId};
use capataz_journal::Position;

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{
    IdempotencyKey, JSON, JSON_LINES, NoQuery, Path, Query, RequestId, read_body,
};
use super::{run_item, task_item};
use crate::convert;
use crate::store::{Cursor, Page, ReadError, Reader, TaskFilter};

/// Bytes of outputs after which a page ends although it may have more items: one page of the
/// largest outputs would else be gigabytes.
const PAGE_BYTES: usize = 8 << 20;
/// Items that are read at once while a page is put together.
const PAGE_STEP: usize = 200;

/// Submit a task
///
/// With an `Idempotency-Key` the same request answers the same for ten minutes; made before the
/// first try, it makes a lost answer harmless. A `dedup_key` in the task does the same for as long
/// as the task lives and an hour after.
#[utoipa::path(post, path = "/api/v1/tasks", operation_id = "submit_task", tag = "tasks",
    params(IdempotencyKey),
    request_body(
        content = TaskSpec,
        example = json!({"group": "hash", "argv": ["sha256sum", "f"]}),
    ),
    responses(
        (status = 201, description = "The task is accepted, durably.", body = Submitted),
        (status = 409, description = "The dedup key or request id stands for something else."),
        (status = 429, description = "The namespace is full."),
        (status = 507, description = "The disk or its quota is full."),
    ))]
pub(super) async fn submit(
    State(context): State<Context>,
    _: NoQuery,
    id: RequestId,
    request: Request,
) -> Answer<impl IntoResponse> {
    let (_, body) = read_body(request, &[JSON]).await?;
    let task = spec::parse_task(&body, PAYLOAD_BYTES)?;
    let (ids, position) = accept(&context, &id, &[task]).await?;
    let id = ids
        .iter()
        .next()
        .map(|id| id.to_string())
        .unwrap_or_default();
    let location = format!("/api/v1/tasks/{id}");
    let submitted = Submitted {
        id,
        position: position.get(),
    };
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(submitted),
    ))
}

/// Submit many tasks
///
/// All are accepted or none. The body is `{"tasks": [...]}`, the list alone, or one task a line.
#[utoipa::path(post, path = "/api/v1/tasks:batch", operation_id = "submit_tasks", tag = "tasks",
    params(IdempotencyKey),
    request_body(content(
        (Submission = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 201, description = "All tasks are accepted, durably.", body = SubmittedBatch),
        (status = 409, description = "A dedup key or the request id stands for something else."),
        (status = 429, description = "The namespace is full."),
        (status = 507, description = "The disk or its quota is full."),
    ))]
pub(super) async fn submit_batch(
    State(context): State<Context>,
    _: NoQuery,
    id: RequestId,
    request: Request,
) -> Answer<impl IntoResponse> {
    let tasks = read_tasks(request).await?;
    let (ids, position) = accept(&context, &id, &tasks).await?;
    let ids = ids.iter().map(|id| id.to_string()).collect();
    Ok((
        StatusCode::CREATED,
        Json(SubmittedBatch {
            ids,
            position: position.get(),
        }),
    ))
}

/// Tasks in any of the forms in which many are sent.
pub(super) async fn read_tasks(request: Request) -> Answer<Vec<proto::TaskSpec>> {
    let (media_type, body) = read_body(request, &[JSON, JSON_LINES]).await?;
    Ok(match media_type {
        JSON_LINES => spec::parse_lines(&body, PAYLOAD_BYTES)?,
        _ => spec::parse_tasks(&body, PAYLOAD_BYTES)?,
    })
}

async fn accept(
    context: &Context,
    id: &RequestId,
    tasks: &[proto::TaskSpec],
) -> Answer<(Ids, Position)> {
    let bodies: Vec<Bytes> = tasks.iter().map(spec::encode).collect();
    let bytes = bodies.iter().map(Bytes::len).sum();
    let submission = convert::submission(&id.0, bodies)?;
    Ok(context.namespace.submit(submission, bytes).await?)
}

/// List tasks, newest first
///
/// A page may have fewer items than its limit and still not be the last: the last has no cursor.
/// With `array` the elements of that array are listed by index, by `state` if that is given; an
/// array is of one group and has the same tags throughout, so the other filters do not apply.
#[utoipa::path(get, path = "/api/v1/tasks",
    operation_id = "list_tasks", tag = "tasks", params(TasksQuery), responses(
    (status = 200, description = "A page.", body = TaskPage),
))]
pub(super) async fn list(
    State(context): State<Context>,
    Query(query): Query<TasksQuery>,
) -> Answer<Json<TaskPage>> {
    for (field, name) in [("group", &query.group), ("tag", &query.tag)] {
        name.as_ref()
            .map_or(Ok(()), |name| spec::check_name(field, name))?;
    }
    let array = query.array.as_deref().map(array).transpose()?;
    let filter = TaskFilter {
        group: query.group,
        states: query.state.into_iter().map(task_item::phase).collect(),
        tag: query.tag,
        run: query.run.as_deref().map(run_item::id).transpose()?,
        ids: Vec::new(),
        after: query.cursor.map(parse_cursor).transpose()?,
        limit: query.limit.unwrap_or(LIST_LIMIT_DEFAULT),
    };
    if let Some(position) = query.position {
        context.await_store(Position::new(position)).await?;
    } else {
        context.catch_up_briefly().await?;
    }
    let position = *context.namespace.watch_projected().borrow();
    let page = context
        .read(move |store| read_page(store, array, filter))
        .await?;
    let page = page.ok_or_else(|| not_found("array", &query.array.unwrap_or_default()))?;
    Ok(Json(TaskPage {
        items: page.items.into_iter().map(task_item::task).collect(),
        cursor: page.cursor.map(|cursor| cursor.to_string()),
        position: position.get(),
    }))
}

fn parse_cursor(text: String) -> Result<Cursor, Problem> {
    text.parse()
        .map_err(|error: crate::store::ParseCursorError| {
            Problem::new(Code::InvalidField, error.to_string())
                .field("cursor")
                .got(text)
        })
}

/// An array's id: a task's, not an element's.
fn array(id: &str) -> Result<TaskId, Problem> {
    let key = task_item::key(id)?;
    if key.index().is_some() {
        return Err(not_found("array", id));
    }
    Ok(key.task())
}

/// Puts a page together in steps, so that it can end when it is large enough. `None` when there is
/// no such array.
fn read_page(
    store: &Reader,
    array: Option<TaskId>,
    filter: TaskFilter,
) -> Result<Option<Page>, ReadError> {
    let mut page = Page {
        items: Vec::new(),
        cursor: filter.after,
    };
    let mut bytes = 0;
    loop {
        let limit = PAGE_STEP.min(filter.limit - page.items.len());
        let step = match array {
            None => store.list(&TaskFilter {
                after: page.cursor,
                limit,
                ..filter.clone()
            })?,
            Some(array) => match store.elements(array, &filter.states, page.cursor, limit)? {
                Some(step) => step,
                None => return Ok(None),
            },
        };
        bytes += step
            .items
            .iter()
            .map(|item| item.result.len())
            .sum::<usize>();
        let short = step.items.len() < limit;
        let mut step = step;
        store.name_steps(&mut step.items)?;
        page.items.extend(step.items);
        page.cursor = step.cursor;
        if short || page.cursor.is_none() || page.items.len() >= filter.limit || bytes > PAGE_BYTES
        {
            return Ok(Some(page));
        }
    }
}

/// Show a task
///
/// `id` is a task, an array, or an element such as `12.3`.
#[utoipa::path(get, path = "/api/v1/tasks/{id}", operation_id = "show_task", tag = "tasks",
    params(("id" = String, Path, description = "Such as `12`, or `12.0` for an element.")),
    responses((status = 200, description = "The task.", body = TaskDetail)))]
pub(super) async fn show(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<TaskDetail>> {
    let key = task_item::key(&id)?;
    // A task that was just submitted is there: its submitter may not know of positions.
    let position = context.catch_up().await?;
    let read = move |store: &Reader| {
        let mut task = store.task(key)?;
        store.name_steps(task.as_mut_slice())?;
        Ok((task, store.attempts(key)?))
    };
    let (Some(record), attempts) = context.read(read).await? else {
        return Err(not_found("task", &id).into());
    };
    let spec = context.spec(key.task()).await?;
    let submitted_at = record.submitted_at;
    let attempts = attempts
        .into_iter()
        .map(|record| task_item::attempt(record, submitted_at));
    let spec = TaskSpec::from(&spec);
    let mut task = task_item::task(record);
    task.meta = spec.meta.clone();
    if key.index().is_some() {
        task.tags = spec.tags.clone();
    }
    Ok(Json(TaskDetail {
        task,
        spec,
        attempts: attempts.collect(),
        position: position.get(),
    }))
}

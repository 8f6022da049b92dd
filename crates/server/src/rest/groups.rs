//! Consumer groups. A group begins to exist when a task or worker names it, or when it is set.

use axum::Json;
use axum::extract::State;
use capataz_api::rest::{Changed, Counts, Group, GroupPatch, Items, NoBody};
use capataz_api::spec::check_name;
use capataz_engine::{Command, GroupView};

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{Change, IdempotencyKey, NoQuery, Once, Path};

pub(super) fn counts(view: &GroupView) -> Counts {
    Counts {
        scheduled: view.scheduled,
        queued: view.queued,
        running: view.running.into(),
        succeeded: view.succeeded,
        failed: view.failed,
        cancelled: view.cancelled,
        ..Counts::default()
    }
}

fn group(view: GroupView) -> Group {
    Group {
        counts: counts(&view),
        name: view.name,
        max_running: view.max_running,
        paused: view.paused,
    }
}

/// List groups
#[utoipa::path(get, path = "/api/v1/groups",
    operation_id = "list_groups", tag = "groups", responses(
    (status = 200, description = "All groups, the oldest first.", body = Items<Group>),
))]
pub(super) async fn list(State(context): State<Context>, _: NoQuery) -> Answer<Json<Items<Group>>> {
    let (views, _) = context.namespace.query(|state| state.group_views()).await?;
    Ok(Json(Items {
        items: views.into_iter().map(group).collect(),
    }))
}

/// Show a group
#[utoipa::path(get, path = "/api/v1/groups/{group}", operation_id = "show_group", tag = "groups",
    params(("group" = String, Path, description = "Its name.", min_length = 1, max_length = 255)),
    responses((status = 200, description = "The group.", body = Group)))]
pub(super) async fn show(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
) -> Answer<Json<Group>> {
    let wanted = name.clone();
    let read = move |state: &capataz_engine::State| state.group_view(state.group_id(&wanted)?);
    let (view, _) = context.namespace.query(read).await?;
    Ok(Json(group(view.ok_or_else(|| not_found("group", &name))?)))
}

/// Change a group
///
/// One that does not exist is made. Idempotent by nature.
#[utoipa::path(put, path = "/api/v1/groups/{group}", operation_id = "set_group", tag = "groups",
    params(
        IdempotencyKey,
        ("group" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
    ),
    request_body = GroupPatch,
    responses(
        (status = 200, description = "It is changed.", body = Changed),
        (status = 409, description = "The request id was used for something else."),
        (status = 429, description = "There are too many groups."),
    ))]
pub(super) async fn set(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    change: Change<GroupPatch>,
) -> Answer<Json<Changed>> {
    apply(&context, change.once, name, change.body.max_running, None).await
}

/// Hold a group's tasks back
///
/// Running attempts run on. Idempotent by nature.
#[utoipa::path(post, path = "/api/v1/groups/{group}/pause", operation_id = "pause_group",
    tag = "groups",
    params(
        IdempotencyKey,
        ("group" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
    ),
    request_body = NoBody,
    responses(
        (status = 200, description = "Nothing of it starts.", body = Changed),
        (status = 409, description = "The request id was used for something else."),
        (status = 429, description = "There are too many groups."),
    ))]
pub(super) async fn pause(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    apply(&context, change.once, name, None, Some(true)).await
}

/// Let a group's tasks run again
#[utoipa::path(post, path = "/api/v1/groups/{group}/resume", operation_id = "resume_group",
    tag = "groups",
    params(
        IdempotencyKey,
        ("group" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
    ),
    request_body = NoBody,
    responses(
        (status = 200, description = "Its tasks run.", body = Changed),
        (status = 409, description = "The request id was used for something else."),
        (status = 429, description = "There are too many groups."),
    ))]
pub(super) async fn resume(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    apply(&context, change.once, name, None, Some(false)).await
}

async fn apply(
    context: &Context,
    once: Once,
    group: String,
    max_running: Option<Option<u32>>,
    paused: Option<bool>,
) -> Answer<Json<Changed>> {
    check_name("group", &group)?;
    context
        .change(
            once,
            Command::SetGroup {
                group,
                max_running,
                paused,
            },
        )
        .await
}

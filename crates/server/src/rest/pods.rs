//! Pods: named slices of machines.

use axum::Json;
use axum::extract::State;
use capataz_api::rest::{Changed, Held, Items, NoBody, OnLost, Pod, PodPatch, Token};
use capataz_api::spec::check_name;
use capataz_engine::{Command, PodSettings, PodView};

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{Change, IdempotencyKey, NoQuery, Once, Path};

fn pod(view: PodView) -> Pod {
    let held = view.held.into_iter().map(|(key, attempt, worker)| {
        let token = Token {
            task: key.to_string(),
            attempt,
        };
        Held { token, worker }
    });
    Pod {
        name: view.name,
        slots: view.slots,
        used: view.used,
        held: held.collect(),
        on_lost: match view.on_lost {
            capataz_engine::OnLost::Time => OnLost::Time,
            capataz_engine::OnLost::Hold => OnLost::Hold,
        },
        paused: view.paused,
        workers: view.workers,
    }
}

/// List pods
#[utoipa::path(get, path = "/api/v1/pods", operation_id = "list_pods", tag = "pods", responses(
    (status = 200, description = "All pods.", body = Items<Pod>),
))]
pub(super) async fn list(State(context): State<Context>, _: NoQuery) -> Answer<Json<Items<Pod>>> {
    let (views, _) = context.namespace.query(|state| state.pod_views()).await?;
    Ok(Json(Items {
        items: views.into_iter().map(pod).collect(),
    }))
}

/// Show a pod
#[utoipa::path(get, path = "/api/v1/pods/{pod}", operation_id = "show_pod", tag = "pods",
    params(("pod" = String, Path, description = "Its name.", min_length = 1, max_length = 255)),
    responses((status = 200, description = "The pod.", body = Pod)))]
pub(super) async fn show(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
) -> Answer<Json<Pod>> {
    let wanted = name.clone();
    let read = move |state: &capataz_engine::State| state.pod_view(state.pod_id(&wanted)?);
    let (view, _) = context.namespace.query(read).await?;
    Ok(Json(pod(view.ok_or_else(|| not_found("pod", &name))?)))
}

/// Change a pod
///
/// One that does not exist is made. Idempotent by nature.
#[utoipa::path(put, path = "/api/v1/pods/{pod}", operation_id = "set_pod", tag = "pods",
    params(
        IdempotencyKey,
        ("pod" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
    ),
    request_body = PodPatch,
    responses(
        (status = 200, description = "It is changed.", body = Changed),
        (status = 409, description = "The request id was used for something else."),
        (status = 429, description = "There are too many pods."),
    ))]
pub(super) async fn set(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    change: Change<PodPatch>,
) -> Answer<Json<Changed>> {
    let on_lost = change.body.on_lost.map(|on_lost| match on_lost {
        OnLost::Time => capataz_engine::OnLost::Time,
        OnLost::Hold => capataz_engine::OnLost::Hold,
    });
    apply(
        &context,
        change.once,
        name,
        PodSettings {
            slots: change.body.slots,
            on_lost,
            paused: None,
        },
    )
    .await
}

/// Give a pod nothing new
///
/// Running attempts run on. Idempotent by nature.
#[utoipa::path(post, path = "/api/v1/pods/{pod}/pause", operation_id = "pause_pod", tag = "pods",
    params(
        IdempotencyKey,
        ("pod" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
    ),
    request_body = NoBody,
    responses(
        (status = 200, description = "Nothing starts in it.", body = Changed),
        (status = 409, description = "The request id was used for something else."),
        (status = 429, description = "There are too many pods."),
    ))]
pub(super) async fn pause(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    apply(
        &context,
        change.once,
        name,
        PodSettings {
            paused: Some(true),
            ..PodSettings::default()
        },
    )
    .await
}

/// Give a pod work again
#[utoipa::path(post, path = "/api/v1/pods/{pod}/resume", operation_id = "resume_pod", tag = "pods",
    params(
        IdempotencyKey,
        ("pod" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
    ),
    request_body = NoBody,
    responses(
        (status = 200, description = "It gets work.", body = Changed),
        (status = 409, description = "The request id was used for something else."),
        (status = 429, description = "There are too many pods."),
    ))]
pub(super) async fn resume(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    apply(
        &context,
        change.once,
        name,
        PodSettings {
            paused: Some(false),
            ..PodSettings::default()
        },
    )
    .await
}

async fn apply(
    context: &Context,
    once: Once,
    pod: String,
    settings: PodSettings,
) -> Answer<Json<Changed>> {
    check_name("pod", &pod)?;
    context
        .change(once, Command::SetPod { pod, settings })
        .await
}

/// Free a pod's held slots
///
/// Whoever asks vouches that the sandboxes of the lost attempts are gone.
#[utoipa::path(post, path = "/api/v1/pods/{pod}/release",
    operation_id = "release_pod", tag = "pods",
    params(
        IdempotencyKey,
        ("pod" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
    ),
    request_body = NoBody,
    responses((status = 200, description = "Its held slots are free.", body = Changed),
        (status = 409, description = "The request id was used for something else.")))]
pub(super) async fn release(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    change: Change<NoBody>,
) -> Answer<Json<Changed>> {
    context
        .change(change.once, Command::ReleasePod { pod: name })
        .await
}

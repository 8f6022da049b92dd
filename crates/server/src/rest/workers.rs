//! Workers, as their sessions are known to the leader.

use axum::Json;
use axum::extract::State;
use capataz_api::rest::{Changed, DrainRequest, Items, Token, Worker};
use capataz_engine::{Command, WorkerView};

use super::context::Context;
use super::refusal::{Answer, not_found};
use super::request::{Change, IdempotencyKey, NoQuery, Path};
use super::task_item::time;

fn worker(view: WorkerView) -> Worker {
    let running = view.leases.into_iter().map(|(key, attempt)| {
        let task = key.to_string();
        Token { task, attempt }
    });
    Worker {
        name: view.name,
        incarnation: format!("{:032x}", view.incarnation),
        host: view.host,
        build: view.build,
        pod: view.pod,
        groups: view.groups,
        concurrency: view.concurrency,
        polling: view.polling,
        connected: view.attached || view.polling,
        draining: view.draining,
        since: time(view.since),
        running: running.collect(),
    }
}

/// List workers
#[utoipa::path(get, path = "/api/v1/workers",
    operation_id = "list_workers", tag = "workers", responses(
    (status = 200, description = "All workers, in the order they joined.", body = Items<Worker>),
))]
pub(super) async fn list(
    State(context): State<Context>,
    _: NoQuery,
) -> Answer<Json<Items<Worker>>> {
    let (views, _) = context
        .namespace
        .query(|state| state.worker_views())
        .await?;
    Ok(Json(Items {
        items: views.into_iter().map(worker).collect(),
    }))
}

async fn find(context: &Context, name: String) -> Answer<WorkerView> {
    let wanted = name.clone();
    let read = move |state: &capataz_engine::State| state.worker_view(state.worker_id(&wanted)?);
    let (view, _) = context.namespace.query(read).await?;
    Ok(view.ok_or_else(|| not_found("worker", &name))?)
}

/// Show a worker
#[utoipa::path(get, path = "/api/v1/workers/{worker}",
    operation_id = "show_worker", tag = "workers",
    params(("worker" = String, Path, description = "Its name.", min_length = 1, max_length = 255)),
    responses((status = 200, description = "The worker.", body = Worker)))]
pub(super) async fn show(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
) -> Answer<Json<Worker>> {
    Ok(Json(worker(find(&context, name).await?)))
}

/// Drain a worker
///
/// It finishes what it has and gets nothing new. Idempotent by nature.
#[utoipa::path(post, path = "/api/v1/workers/{worker}/drain",
    operation_id = "drain_worker", tag = "workers",
    params(
        IdempotencyKey,
        ("worker" = String, Path, description = "Its name.", min_length = 1, max_length = 255),
    ),
    request_body = DrainRequest,
    responses((status = 200, description = "It gets nothing new.", body = Changed),
        (status = 409, description = "The request id was used for something else.")))]
pub(super) async fn drain(
    State(context): State<Context>,
    Path(name): Path<String>,
    _: NoQuery,
    change: Change<DrainRequest>,
) -> Answer<Json<Changed>> {
    let worker = find(&context, name).await?.id;
    context
        .change(
            change.once,
            Command::Drain {
                worker,
                on: change.body.on,
            },
        )
        .await
}

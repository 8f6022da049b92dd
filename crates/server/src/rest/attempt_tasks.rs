//! Tasks that an attempt submits beside itself: it does what it was given in parts, or has found more
//! to do.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use bytes::Bytes;
use capataz_api::problem::{Code, Problem};
use capataz_api::rest::{Submission, SubmittedBatch};
use capataz_api::{proto, spec};
use capataz_engine::{Answer as Told, Command, Rejection};

use super::attempts::{own_token, stale};
use super::context::Context;
use super::refusal::Answer;
use super::request::{IdempotencyKey, NoQuery, Path, RequestId};
use super::tasks::read_tasks;
use crate::access::Caller;
use crate::convert;
use crate::owner::{CallError, Called};

/// Submit tasks beside an attempt that runs
///
/// As `POST /tasks:batch`, for whoever runs the attempt: while it holds its lease, and of a worker's
/// token tasks of its groups, without secrets. Nothing is done to them when the attempt ends.
#[utoipa::path(post, path = "/api/v1/attempts/{task}/{n}/tasks",
    operation_id = "submit_beside", tag = "attempts",
    params(
        IdempotencyKey,
        ("task" = String, Path, description = "The task or element."),
        ("n" = String, Path, description = "The attempt.")),
    request_body(content(
        (Submission = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 201, description = "All tasks are accepted, durably.", body = SubmittedBatch),
        (status = 409, description = "The attempt holds no lease, or a dedup key or the request id \
            stands for something else."),
        (status = 429, description = "The namespace is full."),
        (status = 507, description = "The disk or its quota is full."),
    ))]
pub(super) async fn submit(
    State(context): State<Context>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    _: NoQuery,
    id: RequestId,
    request: Request,
) -> Answer<impl IntoResponse> {
    let by = own_token(&context, &caller, path).await?;
    let tasks = read_tasks(request).await?;
    for (index, task) in tasks.iter().enumerate() {
        check(&caller, task).map_err(|(field, problem)| {
            let field = format!("tasks[{index}].{field}");
            problem.field(field)
        })?;
    }
    let bodies: Vec<Bytes> = tasks.iter().map(spec::encode).collect();
    let bytes = bodies.iter().map(Bytes::len).sum();
    let submission = convert::submission(&id.0, bodies)?;
    let _admission = context.namespace.admit(bytes).await?;
    let command = Command::SubmitBeside { by, submission };
    match context.namespace.call(command).await {
        Ok(Called {
            answer: Told::Submitted(ids),
            position,
        }) => Ok((
            StatusCode::CREATED,
            Json(SubmittedBatch {
                ids: ids.iter().map(|id| id.to_string()).collect(),
                position: position.get(),
            }),
        )),
        Ok(_) => Err(CallError::UnknownOutcome.into()),
        Err(CallError::Rejected(Rejection::StaleLease { .. })) => Err(stale(by).into()),
        Err(error) => Err(error.into()),
    }
}

/// A caller that is confined to groups submits tasks of these, and hands no secret to whoever runs
/// them: its token is not good for learning any.
fn check(caller: &Caller, task: &proto::TaskSpec) -> Result<(), (&'static str, Problem)> {
    if !caller.is_confined() {
        return Ok(());
    }
    caller
        .check_group(&task.group)
        .map_err(|problem| ("group", problem))?;
    match task.env_secret.is_empty() {
        true => Ok(()),
        false => {
            let detail = "tasks that a worker submits name no secrets";
            Err(("env_secret", Problem::new(Code::Forbidden, detail)))
        }
    }
}

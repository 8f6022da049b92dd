//! Starting many runs with one call.

use axum::Json;
use axum::extract::State;
use capataz_api::rest::{RunOutcome, RunsStarted, StartRunRequest, StartRunsRequest};
use capataz_engine::RunId;
use capataz_journal::Position;
use futures_util::future::join_all;

use super::context::Context;
use super::refusal::Answer;
use super::request::{Change, IdempotencyKey, NoQuery};
use super::run_start;

/// Start runs
///
/// Up to 1,000, each as `POST /runs` starts one: for each the answer has its id, or what refused it.
/// With a request id the whole call is repeatable.
#[utoipa::path(post, path = "/api/v1/runs:batch", operation_id = "start_runs", tag = "runs",
    params(IdempotencyKey),
    request_body(
        content = StartRunsRequest,
        example = json!({"runs": [
            {"workflow": "etl", "parameters": {"day": "2026-01-01"}},
            {"workflow": "etl", "parameters": {"day": "2026-01-02"}},
        ]}),
    ),
    responses((status = 200, description = "What came of each.", body = RunsStarted)))]
pub(super) async fn start(
    State(context): State<Context>,
    _: NoQuery,
    change: Change<StartRunsRequest>,
) -> Json<RunsStarted> {
    let Change { body, once } = change;
    let parts = body.runs.into_iter().enumerate();
    let parts = parts.map(|(index, body)| Change {
        body,
        once: once.part(index),
    });
    let started = started(&context, parts.collect()).await;
    let position = started.iter().flatten().map(|(_, position)| *position);
    let position = position.max().unwrap_or_default();
    let runs = started.into_iter().map(|started| match started {
        Ok((id, _)) => RunOutcome {
            id: Some(id.to_string()),
            problem: None,
        },
        Err(refusal) => RunOutcome {
            id: None,
            problem: Some(refusal.0),
        },
    });
    Json(RunsStarted {
        runs: runs.collect(),
        position: position.get(),
    })
}

/// All commands are on their way before the first is waited for: they make one record.
async fn started(
    context: &Context,
    runs: Vec<Change<StartRunRequest>>,
) -> Vec<Answer<(RunId, Position)>> {
    let mut commands = Vec::with_capacity(runs.len());
    for run in &runs {
        commands.push(run_start::command(context, run).await);
        // A definition may take long to read: others get their turn in between.
        tokio::task::yield_now().await;
    }
    let calls = runs.iter().zip(commands).map(async |(run, command)| {
        let called = context.namespace.call(command?).await;
        match run_start::done(context, run, called)? {
            Some(done) => Ok(done),
            None => run_start::start(context, run).await,
        }
    });
    join_all(calls).await
}

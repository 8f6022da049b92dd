//! Adding steps to a run that is under way.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use capataz_api::problem::{Code, Problem};
use capataz_api::rest::{AddStepsRequest, Changed, Role};
use capataz_engine::{Attempt, Command, Key, Rejection, RunId, Version};
use capataz_workflow::{AddedSteps, Workflow};
use serde_json::Value;

use super::context::Context;
use super::refusal::Answer;
use super::request::{Change, IdempotencyKey, NoQuery, Once, Path};
use super::run_actions::ended_or_unknown;
use super::{run_item, task_item};
use crate::access::{Caller, check_task};
use crate::owner::CallError;
use crate::workflow;

/// How often steps are added anew because others were added meanwhile.
const TRIES: usize = 10;

/// Add steps to a run
///
/// For a step that runs: its task and attempt show that it is one of the run's. Operators leave
/// these two out. The new steps may come after any step of the run. With a worker's token they are
/// of the token's groups, `defaults` counted in, and name no secret that the run's steps of these
/// groups did not name before.
#[utoipa::path(post, path = "/api/v1/runs/{id}/steps", operation_id = "add_steps", tag = "runs",
    params(IdempotencyKey, ("id" = String, Path, description = "Such as `r17`.")),
    request_body(content = AddStepsRequest, example = json!({
        "task": "12", "attempt": 1,
        "steps": [{"id": "more", "group": "g", "argv": ["true"], "after": ["list"]}],
    })),
    responses(
        (status = 200, description = "The steps are part of the run.", body = Changed),
        (status = 403, description = "A step is of a group, or has a secret, that is not the token's."),
        (status = 409, description = "The attempt holds no lease, or the run is being cancelled."),
        (status = 422, description = "The steps have flaws."),
        (status = 429, description = "The namespace is full."),
        (status = 507, description = "The disk or its quota is full."),
    ))]
pub(super) async fn add_steps(
    State(context): State<Context>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    change: Change<AddStepsRequest>,
) -> Answer<Json<Changed>> {
    let run = run_item::id(&id)?;
    let Change { body, once } = change;
    let proof = proof(&context, &caller, &body).await?;
    let more = read(&body.steps)?;
    if let Some(done) = was_done(&context, &once).await? {
        return Ok(done);
    }
    for _ in 0..TRIES {
        let version = followed(&context, run, proof).await?;
        let version = Box::new(extended(&caller, &version, more.clone())?);
        let by = proof;
        let command = Command::ExtendRun { run, by, version };
        match context.namespace.call(once.clone().wrap(command)).await {
            Ok(called) => {
                return Ok(Json(Changed {
                    position: called.position.get(),
                }));
            }
            // Others have added steps meanwhile, or the run is being cancelled: look again.
            Err(CallError::Rejected(Rejection::RunNotExtended { .. })) => {}
            // Its lease was in force when the run was looked at, and is not any more.
            Err(CallError::Rejected(Rejection::StaleLease { key, attempt })) => {
                return Err(stale(run, (key, attempt)).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Rejection::RunNotExtended { run }.into())
}

/// What shows that a step of the run asks: its task and attempt. Whoever may operate needs none.
async fn proof(
    context: &Context,
    caller: &Caller,
    request: &AddStepsRequest,
) -> Answer<Option<(Key, Attempt)>> {
    match (&request.task, request.attempt) {
        (Some(task), Some(attempt)) => {
            let key = task_item::key(task)?;
            check_task(&context.namespace, caller, key).await?;
            Ok(Some((key, attempt)))
        }
        _ if caller.role() == Role::Worker => {
            let detail = "a worker adds steps for a step that it runs: name its task and attempt";
            Err(Problem::new(Code::Forbidden, detail).field("task").into())
        }
        _ => Ok(None),
    }
}

fn read(steps: &Value) -> Answer<AddedSteps> {
    Ok(match steps {
        Value::String(text) => AddedSteps::parse(text)?,
        document => AddedSteps::from_json(document)?,
    })
}

/// Whether the request was carried out before: its steps are known then, and would be refused.
async fn was_done(context: &Context, once: &Once) -> Answer<Option<Json<Changed>>> {
    if !once.is_named() {
        return Ok(None);
    }
    // Never carried out: no run has this number.
    let (run, on) = (RunId(0), false);
    let probe = once.clone().wrap(Command::PauseRun { run, on });
    match context.namespace.call(probe).await {
        Ok(called) => Ok(Some(Json(Changed {
            position: called.position.get(),
        }))),
        Err(CallError::Rejected(Rejection::RunNotLive { .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a live run follows. A step that asks must hold its lease: whoever does not learns nothing of
/// the run. The engine looks again when the steps are added.
async fn followed(context: &Context, run: RunId, proof: Option<(Key, Attempt)>) -> Answer<Version> {
    let read = move |state: &capataz_engine::State| {
        let version = state.run_context(run).map(|run| run.version().clone());
        let lost = proof.filter(|(key, attempt)| !state.runs_step(run, *key, *attempt));
        (version, lost)
    };
    let ((version, lost), _) = context.namespace.query(read).await?;
    let Some(version) = version else {
        let gone = Rejection::RunNotLive { run };
        return Err(ended_or_unknown(context, run, gone).await);
    };
    match lost {
        Some(lost) => Err(stale(run, lost).into()),
        None => Ok(version),
    }
}

fn stale(run: RunId, (key, attempt): (Key, Attempt)) -> Problem {
    let detail = format!("attempt {attempt} of task {key} is no step of run {run} that runs now");
    Problem::new(Code::StaleLease, detail).task(key)
}

/// A version with more steps at its end, each of which the caller may add.
fn extended(caller: &Caller, version: &Version, more: AddedSteps) -> Answer<Version> {
    let workflow = workflow::compiled(version).map_err(|refusal| {
        tracing::error!(%refusal, "the definition of a run is damaged");
        Problem::new(Code::Internal, "the definition of the run is damaged")
    })?;
    let longer = workflow.extended_by(more)?;
    check_added(caller, &longer, workflow.steps().len())?;
    Ok(workflow::of(longer).version)
}

/// A step is run by whoever serves its group, with the secrets that it names. So a caller that is
/// confined to groups adds steps of these only, and hands out no secret to them that they did not
/// have: what the author of the run gave them is theirs already.
fn check_added(caller: &Caller, workflow: &Workflow, before: usize) -> Result<(), Problem> {
    if !caller.is_confined() {
        return Ok(());
    }
    let known: HashSet<(&str, &str)> = (0..before)
        .flat_map(|step| secrets(workflow, step))
        .collect();
    for (number, step) in (before..workflow.steps().len()).enumerate() {
        let at = |field: &str| format!("steps[{number}].{field}");
        if let Some(group) = &workflow.steps()[step].group {
            caller
                .check_group(group)
                .map_err(|it| it.field(at("group")))?;
        }
        if let Some((group, secret)) = secrets(workflow, step).find(|it| !known.contains(it)) {
            let detail = format!(
                "no step of the run in group {group:?} had the secret {secret:?} before; \
                a worker's token gives out no others"
            );
            let problem = Problem::new(Code::Forbidden, detail).field(at("env_secret"));
            return Err(problem.got(secret));
        }
    }
    Ok(())
}

/// The secrets that a step names, each with the group whose workers resolve it.
fn secrets(workflow: &Workflow, step: usize) -> impl Iterator<Item = (&str, &str)> {
    let group = workflow.steps()[step].group.as_deref();
    group.into_iter().flat_map(move |group| {
        let secrets = workflow.secrets(step);
        secrets.map(move |secret| (group, secret))
    })
}

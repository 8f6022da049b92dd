//! What is worked out before a run can start: which definition it follows, its parameters, and
//! everything of its workflow that depends on them.

use std::sync::Arc;

use capataz_api::problem::{Code, Problem};
use capataz_api::rest::{OnRunConflict, StartRunRequest};
use capataz_engine::{Answer as Told, Command, Rejection, RunId, StartRun, Which};
use capataz_journal::Position;
use capataz_workflow::{OnConflict, Workflow};
use serde_json::Value;

use super::context::Context;
use super::known::Known;
use super::refusal::{Answer, not_found};
use super::request::{Change, Once};
use crate::convert;
use crate::owner::{CallError, Called};
use crate::store::Reader;
use crate::workflow::{self, Wishes};

/// How often a run is worked out anew because another version was registered meanwhile.
const TRIES: usize = 5;

/// What a run is to follow.
struct Followed {
    workflow: Arc<Workflow>,
    content: u128,
    which: Which,
}

/// Starts a run, and says which it is and where.
pub(super) async fn start(
    context: &Context,
    change: &Change<StartRunRequest>,
) -> Answer<(RunId, Position)> {
    for _ in 0..TRIES {
        let command = command(context, change).await?;
        let called = context.namespace.call(command).await;
        if let Some(done) = done(context, change, called)? {
            return Ok(done);
        }
    }
    let detail = "the workflow is registered anew again and again; nothing was started";
    Err(Problem::new(Code::Unavailable, detail)
        .retry_after(1)
        .into())
}

/// The command that starts a run of what is registered, as far as is known.
pub(super) async fn command(
    context: &Context,
    change: &Change<StartRunRequest>,
) -> Answer<Command> {
    let Change { body, once } = change;
    let followed = follow(context, body).await?;
    prepare(context, body, once, followed).await
}

/// What came of the command; `None` when something else is registered by now, or nothing: then it is
/// to be worked out anew.
pub(super) fn done(
    context: &Context,
    change: &Change<StartRunRequest>,
    called: Result<Called, CallError>,
) -> Answer<Option<(RunId, Position)>> {
    match (called, &change.body.workflow) {
        (
            Ok(Called {
                answer: Told::Run(run),
                position,
            }),
            _,
        ) => Ok(Some((run, position))),
        (Ok(_), _) => Err(CallError::UnknownOutcome.into()),
        (Err(CallError::Rejected(rejection)), Some(name)) if is_about_version(&rejection) => {
            context.workflows.forget(name);
            Ok(None)
        }
        (Err(error), _) => Err(error.into()),
    }
}

fn is_about_version(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::StaleVersion { .. } | Rejection::UnknownWorkflow { .. }
    )
}

async fn follow(context: &Context, request: &StartRunRequest) -> Answer<Followed> {
    if let Some(definition) = &request.definition {
        let text = match definition {
            Value::String(text) => text.clone(),
            document => document.to_string(),
        };
        let workflow::Compiled { workflow, version } = workflow::compile(&text)?;
        return Ok(Followed {
            workflow,
            content: version.content,
            which: Which::Given(Box::new(version)),
        });
    }
    let name = request.workflow.as_deref().unwrap_or_default();
    let (known, workflow) = registered(context, name, request.version).await?;
    let Known {
        number, content, ..
    } = known;
    if let Some(got) = request.version.filter(|wanted| *wanted != number) {
        let current = number;
        return Err(Rejection::StaleVersion { current, got }.into());
    }
    Ok(Followed {
        workflow,
        content,
        which: Which::Known { number, content },
    })
}

/// What new runs of a workflow follow: as it was when the last one was started, which the engine
/// will tell, unless the caller wants another version.
async fn registered(
    context: &Context,
    name: &str,
    wanted: Option<u32>,
) -> Answer<(Known, Arc<Workflow>)> {
    let fits = |known: &Known| wanted.is_none_or(|wanted| wanted == known.number);
    let known = context.workflows.get(name).filter(fits);
    let known = known.and_then(|known| Some((workflow::remembered(known.content)?, known)));
    if let Some((workflow, known)) = known {
        return Ok((known, workflow));
    }
    let asked = name.to_owned();
    let read = move |state: &capataz_engine::State| {
        let (number, version) = state.registered_version(&asked)?;
        Some((number, version.clone()))
    };
    let (found, _) = context.namespace.query(read).await?;
    let (number, version) = found.ok_or_else(|| not_found("workflow", name))?;
    let workflow = workflow::compiled(&version)?;
    let known = Known {
        number,
        content: version.content,
        expected: None,
    };
    context.workflows.remember(name, known.clone());
    Ok((known, workflow))
}

/// The command that starts the run.
async fn prepare(
    context: &Context,
    request: &StartRunRequest,
    once: &Once,
    followed: Followed,
) -> Answer<Command> {
    let Followed {
        workflow,
        content: version,
        which,
    } = followed;
    let wishes = Wishes {
        tags: request.tags.clone(),
        priority: request.priority.map(|priority| priority as u8),
        conflict: request.conflict_key.clone(),
        message: request.message.clone(),
        key: request.key.clone().map(|key| (key, content(request))),
        expected: expected(context, &workflow, version).await?,
        repeats: None,
    };
    let run = workflow::new_run(&workflow, &request.parameters, wishes)?;
    let waits_for_conflict = match (request.on_conflict, workflow.on_conflict()) {
        (Some(OnRunConflict::Wait), _) | (None, OnConflict::Wait) => true,
        (Some(OnRunConflict::Refuse), _) | (None, OnConflict::Refuse) => false,
    };
    let start = Command::StartRun(Box::new(StartRun {
        request: once.request(),
        workflow: workflow.name().to_owned(),
        version: which,
        run,
        waits_for_conflict,
    }));
    Ok(once.clone().name(start))
}

/// How long the steps of a workflow are expected to take, from what they took before: looked up once
/// for all runs that start before the store shows more.
async fn expected(context: &Context, workflow: &Arc<Workflow>, version: u128) -> Answer<Vec<u32>> {
    let shown = *context.namespace.watch_projected().borrow();
    let known = context.workflows.expected(workflow.name(), version, shown);
    let expected = match known {
        Some(known) => known,
        None => {
            let asked = Arc::clone(workflow);
            let read = move |store: &Reader| {
                let steps = asked.steps().iter();
                let names: Vec<&str> = steps.map(|step| step.id.as_str()).collect();
                store.expected(asked.name(), &names)
            };
            let read: Arc<[u32]> = context.read(read).await?.into();
            let known = &context.workflows;
            known.expect(workflow.name(), version, shown, &read);
            read
        }
    };
    Ok(match expected.iter().all(|span| *span == 0) {
        true => Vec::new(),
        false => expected.to_vec(),
    })
}

/// The hash of what is asked for, under which a key stands for a run.
fn content(request: &StartRunRequest) -> u128 {
    // What was read from JSON can be written.
    let text = serde_json::to_vec(request).unwrap_or_default();
    convert::hash(&text)
}

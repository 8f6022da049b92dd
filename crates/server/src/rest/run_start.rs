//! What is worked out before a run can start: which definition it follows, its parameters, and
//! everything of its workflow that depends on them.

use std::sync::Arc;

use capataz_api::problem::{Code, Problem};
use capataz_api::rest::{OnRunConflict, StartRunRequest};
use capataz_engine::{Answer as Told, Command, Graph, Rejection, RunId, StartRun, Which};
use capataz_journal::Position;
use capataz_workflow::{OnConflict, Workflow};
use serde_json::Value;

use super::context::Context;
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
    graph: Graph,
    which: Which,
}

/// Starts a run, and says which it is and where.
pub(super) async fn start(
    context: &Context,
    change: Change<StartRunRequest>,
) -> Answer<(RunId, Position)> {
    let Change {
        body: request,
        once,
    } = change;
    for _ in 0..TRIES {
        let followed = follow(context, &request).await?;
        let command = prepare(context, &request, &once, followed).await?;
        match context.namespace.call(command).await {
            Ok(Called {
                answer: Told::Run(run),
                position,
            }) => return Ok((run, position)),
            Ok(_) => return Err(CallError::UnknownOutcome.into()),
            Err(CallError::Rejected(Rejection::StaleVersion { .. }))
                if request.version.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let detail = "the workflow is registered anew again and again; nothing was started";
    Err(Problem::new(Code::Unavailable, detail)
        .retry_after(1)
        .into())
}

async fn follow(context: &Context, request: &StartRunRequest) -> Answer<Followed> {
    if let Some(definition) = &request.definition {
        let text = match definition {
            Value::String(text) => text.clone(),
            document => document.to_string(),
        };
        let workflow::Compiled { workflow, version } = workflow::compile(&text)?;
        let graph = version.graph.clone();
        let which = Which::Given(Box::new(version));
        return Ok(Followed {
            workflow,
            graph,
            which,
        });
    }
    let name = request.workflow.clone().unwrap_or_default();
    let wanted = name.clone();
    let read = move |state: &capataz_engine::State| {
        let (number, version) = state.registered_version(&wanted)?;
        Some((number, version.clone()))
    };
    let (found, _) = context.namespace.query(read).await?;
    let (current, version) = found.ok_or_else(|| not_found("workflow", &name))?;
    if let Some(got) = request.version.filter(|wanted| *wanted != current) {
        return Err(Rejection::StaleVersion { current, got }.into());
    }
    Ok(Followed {
        workflow: workflow::compiled(&version)?,
        graph: version.graph,
        which: Which::Registered(Some(current)),
    })
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
        graph,
        which,
    } = followed;
    let wishes = Wishes {
        tags: request.tags.clone(),
        priority: request.priority.map(|priority| priority as u8),
        conflict: request.conflict_key.clone(),
        message: request.message.clone(),
        key: request.key.clone().map(|key| (key, content(request))),
        expected: expected(context, workflow.name(), graph).await?,
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

/// How long the steps of a workflow are expected to take, from what they took before.
async fn expected(context: &Context, name: &str, graph: Graph) -> Answer<Vec<u32>> {
    let name = name.to_owned();
    let read = move |store: &Reader| {
        let names: Vec<&str> = graph.steps.iter().map(|node| node.name.as_str()).collect();
        store.expected(&name, &names)
    };
    let expected = context.read(read).await?;
    Ok(match expected.iter().all(|span| *span == 0) {
        true => Vec::new(),
        false => expected,
    })
}

/// The hash of what is asked for, under which a key stands for a run.
fn content(request: &StartRunRequest) -> u128 {
    // What was read from JSON can be written.
    let text = serde_json::to_vec(request).unwrap_or_default();
    convert::hash(&text)
}

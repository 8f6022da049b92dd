//! Why a run is not done: what holds it, and for each step that is not over what that waits for.
//! What it ended for says `explain_ended`.

use axum::Json;
use axum::extract::State;
use capataz_api::rest::{Explanation, Obstacle};
use capataz_engine::{
    Explanation as TaskExplanation, Key, OpenStep, Phase, RunReason, RunView, State as EngineState,
};

use super::context::Context;
use super::explain::{self, bare, sentence};
use super::explain_ended;
use super::refusal::{Answer, not_found};
use super::request::{NoQuery, Path};
use super::run_item;
use super::task_item::time;

/// Steps that are explained one by one, and tasks of each: more are counted.
const EXPLAINED: usize = 20;

/// A waiting task of a step with what is in its way.
type Waiting = (Key, String, TaskExplanation);

/// Say why a run is not done
///
/// Everything that holds the run, and for each step that is not over what it waits for; of a run
/// that failed the steps that are to blame.
#[utoipa::path(get, path = "/api/v1/runs/{id}/explain", operation_id = "explain_run", tag = "runs",
    params(("id" = String, Path, description = "Such as `r17`.")),
    responses((status = 200, description = "All that is in the way.", body = Explanation)))]
pub(super) async fn explain(
    State(context): State<Context>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<Explanation>> {
    Ok(Json(of(&context, &id).await?))
}

pub(super) async fn of(context: &Context, id: &str) -> Answer<Explanation> {
    let run = run_item::id(id)?;
    let read = move |state: &EngineState| {
        let view = state.run_view(run, EXPLAINED)?;
        let waiting: Vec<Vec<Waiting>> =
            view.open.iter().map(|step| waiting(state, step)).collect();
        Some((view, waiting))
    };
    let (found, position) = context.namespace.query(read).await?;
    if let Some((view, waiting)) = found {
        return Ok(live(id, &view, waiting));
    }
    context.await_store(position).await?;
    let record = context.read(move |store| store.run(run)).await?;
    let record = record.ok_or_else(|| not_found("run", id))?;
    explain_ended::explain(context, record).await
}

fn waiting(state: &EngineState, step: &OpenStep) -> Vec<Waiting> {
    let explained = step.tasks.iter().filter_map(|key| {
        let group = state.task_view(*key)?.group;
        Some((*key, group, state.explain(*key)?))
    });
    explained
        .filter(|(_, _, found)| found.phase != Phase::Running)
        .collect()
}

fn live(id: &str, view: &RunView, waiting: Vec<Vec<Waiting>>) -> Explanation {
    let mut obstacles = of_run(view);
    let mut remedy = remedy(view);
    if view.phase == capataz_engine::RunPhase::Running {
        let room = view.tasks.1.is_none_or(|most| view.tasks.0 < most);
        for (step, waiting) in view.open.iter().zip(waiting) {
            obstacles.push(of_step(step));
            if !room && (step.phase == Phase::Queued || step.unstarted > 0) {
                obstacles.push(at_max_steps(view, step));
            }
            for (key, group, found) in waiting {
                let causes: Vec<Obstacle> =
                    found.obstacles.into_iter().map(explain::obstacle).collect();
                remedy = remedy.or_else(|| explain::remedy(&causes, &group));
                obstacles.extend(causes.into_iter().map(|cause| Obstacle {
                    step: Some(step.name.clone()),
                    text: format!("task {key} of step {:?}: {}", step.name, cause.text),
                    ..cause
                }));
            }
        }
    }
    let state = view.phase.name();
    let cancelling = match view.cancelled {
        true => ", and is being cancelled",
        false => "",
    };
    let summary = match obstacles.as_slice() {
        [] => format!("run {id} is {state}{cancelling}; nothing stands in its way"),
        _ => format!("run {id} is {state}{cancelling}: {}", sentence(&obstacles)),
    };
    Explanation {
        obstacles,
        remedy,
        ..bare("run", id.to_owned(), state, summary)
    }
}

fn say(kind: &str, text: String) -> Obstacle {
    Obstacle {
        kind: kind.to_owned(),
        text,
        ..Obstacle::default()
    }
}

/// What holds the run as a whole.
fn of_run(view: &RunView) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    let waits = view.phase == capataz_engine::RunPhase::Queued;
    if view.reason == RunReason::Paused {
        let text = "it is paused; resume it".to_owned();
        obstacles.push(say("run_paused", text));
    }
    if let Some(holder) = view.holder {
        let text = format!("run {holder} has its conflict key");
        obstacles.push(Obstacle {
            run: Some(holder.to_string()),
            ..say("conflict", text)
        });
    }
    if let Some(until) = view.held_until.filter(|_| waits) {
        let until = time(until);
        let text = format!("the last runs of its workflow failed; new ones wait until {until}");
        obstacles.push(Obstacle {
            until: Some(until),
            ..say("backoff", text)
        });
    }
    if let Some(most) = view.runs.1.filter(|most| waits && view.runs.0 >= *most) {
        let text = format!("as many runs of its workflow are under way as may be ({most})");
        obstacles.push(Obstacle {
            number: Some(most.into()),
            ..say("max_runs", text)
        });
    }
    if let Some(place) = view.place.filter(|place| *place > 0) {
        let text = format!("{place} runs of its workflow are before it");
        obstacles.push(Obstacle {
            number: Some(place.into()),
            ..say("run_behind", text)
        });
    }
    obstacles
}

fn of_step(step: &OpenStep) -> Obstacle {
    let name = &step.name;
    let (kind, text) = match step.phase {
        Phase::Blocked => {
            let after = step.after.join(", ");
            ("step_waits", format!("step {name:?} waits for {after}"))
        }
        Phase::Queued => ("step_ready", format!("step {name:?} may start")),
        _ => ("step_running", format!("step {name:?} is under way")),
    };
    Obstacle {
        step: Some(name.clone()),
        after: step.after.clone(),
        tasks: step.tasks.iter().map(Key::to_string).collect(),
        ..say(kind, text)
    }
}

fn at_max_steps(view: &RunView, step: &OpenStep) -> Obstacle {
    let most = view.tasks.1.unwrap_or(0);
    let text = format!(
        "step {:?} waits: as many tasks of steps of its workflow live as may ({most})",
        step.name
    );
    Obstacle {
        step: Some(step.name.clone()),
        number: Some(most.into()),
        ..say("max_steps", text)
    }
}

/// The smallest change that lets the run itself begin or go on.
fn remedy(view: &RunView) -> Option<String> {
    let workflow = &view.workflow;
    match view.reason {
        RunReason::Paused => Some("resume the run".to_owned()),
        RunReason::Backoff => Some(format!("clear the hold of workflow {workflow}")),
        RunReason::MaxRuns => Some(format!("raise max_runs of workflow {workflow}, or wait")),
        RunReason::Conflict => view
            .holder
            .map(|holder| format!("wait for run {holder}, or cancel it")),
        _ => None,
    }
}

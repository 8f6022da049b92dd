//! Why a run is not done: what holds it, and for each step that is not over what that waits for.
//! What it ended for says `explain_ended`.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use capataz_api::rest::{Explanation, Obstacle};
use capataz_engine::{
    Explanation as TaskExplanation, Key, OpenStep, Phase, RunHolders, RunId, RunReason, RunView,
    State as EngineState,
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

/// Runs and tasks that are named as those who have what a run waits for.
const HOLDERS: usize = 5;

/// A waiting task of a step with its group and what is in its way.
type Waiting = (Key, String, TaskExplanation);

/// A live run with what is in its way.
struct Found {
    view: RunView,
    holders: RunHolders,
    /// Of each step that is explained, its waiting tasks.
    waiting: Vec<Vec<Waiting>>,
}

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
        let holders = state.run_holders(run, HOLDERS);
        Some(Found {
            view,
            holders,
            waiting,
        })
    };
    let (found, position) = context.namespace.query(read).await?;
    if let Some(found) = found {
        return Ok(live(id, found));
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

fn live(id: &str, found: Found) -> Explanation {
    let Found {
        view,
        holders,
        waiting,
    } = found;
    let mut obstacles = of_run(&view, &holders);
    let mut remedies: Vec<String> = remedy(&view).into_iter().collect();
    if view.phase == capataz_engine::RunPhase::Running {
        let room = view.tasks.1.is_none_or(|most| view.tasks.0 < most);
        for (step, waiting) in view.open.iter().zip(waiting) {
            let needs_room = !room && (step.phase == Phase::Queued || step.unstarted > 0);
            obstacles.push(match needs_room && step.phase == Phase::Queued {
                true => at_max_steps(&view, step, &holders),
                false => of_step(step, &waiting),
            });
            if needs_room {
                if step.phase != Phase::Queued {
                    obstacles.push(at_max_steps(&view, step, &holders));
                }
                let workflow = &view.workflow;
                remedies.push(format!("raise max_steps of workflow {workflow}, or wait"));
            }
            for (key, group, found) in waiting {
                let causes: Vec<Obstacle> =
                    found.obstacles.into_iter().map(explain::obstacle).collect();
                // That the run is paused was said of the run.
                let of_task = causes.iter().filter(|cause| cause.kind != "run_paused");
                let of_task: Vec<Obstacle> = of_task.cloned().collect();
                remedies.extend(explain::remedy(&of_task, &group));
                obstacles.extend(causes.into_iter().map(|cause| Obstacle {
                    step: Some(step.name.clone()),
                    text: format!("task {key} of step {:?}: {}", step.name, cause.text),
                    ..cause
                }));
            }
        }
        let more = view.steps.1.saturating_sub(view.open.len() as u32);
        if more > 0 {
            obstacles.push(Obstacle {
                number: Some(more.into()),
                ..say("more_steps", format!("{more} further steps are not over"))
            });
        }
    }
    // What would help several tasks is said once.
    let mut seen = BTreeSet::new();
    remedies.retain(|remedy| seen.insert(remedy.clone()));
    let remedy = (!remedies.is_empty()).then(|| remedies.join("; "));
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
fn of_run(view: &RunView, holders: &RunHolders) -> Vec<Obstacle> {
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
        let names = names(&holders.under_way, view.runs.0.into());
        let text =
            format!("as many runs of its workflow are under way as may be ({most}): {names}");
        obstacles.push(Obstacle {
            number: Some(most.into()),
            run: holders.under_way.first().map(RunId::to_string),
            ..say("max_runs", text)
        });
    }
    if let Some(place) = view.place.filter(|place| *place > 0) {
        let names = names(&holders.before, place.into());
        let text = format!("runs of its workflow are before it ({place}): {names}");
        obstacles.push(Obstacle {
            number: Some(place.into()),
            run: holders.before.first().map(RunId::to_string),
            ..say("run_behind", text)
        });
    }
    obstacles
}

fn of_step(step: &OpenStep, waiting: &[Waiting]) -> Obstacle {
    let name = &step.name;
    let (kind, text) = match step.phase {
        Phase::Blocked => {
            let after = step.after.join(", ");
            ("step_waits", format!("step {name:?} waits for {after}"))
        }
        Phase::Queued => ("step_ready", format!("step {name:?} may start")),
        // Nothing of it runs: what keeps its tasks is said next.
        _ => match waiting {
            [(_, group, found), ..] if waiting.len() == step.tasks.len() => {
                let phase = found.phase.name();
                let text = format!("step {name:?} is {phase} in group {group}");
                ("step_queued", text)
            }
            _ => ("step_running", format!("step {name:?} is under way")),
        },
    };
    Obstacle {
        step: Some(name.clone()),
        after: step.after.clone(),
        tasks: step.tasks.iter().map(Key::to_string).collect(),
        ..say(kind, text)
    }
}

fn at_max_steps(view: &RunView, step: &OpenStep, holders: &RunHolders) -> Obstacle {
    let most = view.tasks.1.unwrap_or(0);
    let names = names(&holders.tasks, view.tasks.0.into());
    let text = format!(
        "step {:?} waits: as many tasks of steps of its workflow live as may ({most}): {names}",
        step.name
    );
    Obstacle {
        step: Some(step.name.clone()),
        number: Some(most.into()),
        tasks: holders.tasks.iter().map(Key::to_string).collect(),
        ..say("max_steps", text)
    }
}

/// Some of so many, by name.
fn names(some: &[impl ToString], all: u64) -> String {
    let names: Vec<String> = some.iter().map(ToString::to_string).collect();
    let more = match all > names.len() as u64 {
        true => " and others",
        false => "",
    };
    format!("{}{more}", names.join(", "))
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

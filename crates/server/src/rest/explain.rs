//! Why something does not happen: every reason that holds, not just the first.

use axum::Json;
use axum::extract::State;
use capataz_api::rest::{Explanation, Obstacle};
use capataz_engine::{Key, Obstacle as Cause, State as EngineState, WorkerView};

use super::context::Context;
use super::explain_run;
use super::refusal::{Answer, not_found};
use super::request::{NoQuery, Path};
use super::task_item::{self, time};

/// The state of something in a word, and what is in its way; `None` when it is not there.
type Found = Option<(&'static str, Vec<Obstacle>)>;

/// Say why something does not run
///
/// `kind` is `task`, `run`, `group`, `worker` or `pod`.
#[utoipa::path(get, path = "/api/v1/explain/{kind}/{id}", operation_id = "explain", tag = "server",
    params(
        ("kind" = String, Path, description = "`task`, `run`, `group`, `worker` or `pod`."),
        ("id" = String, Path, description = "Its id or name.")),
    responses((status = 200, description = "All that is in the way.", body = Explanation)))]
pub(super) async fn explain(
    State(context): State<Context>,
    Path((kind, id)): Path<(String, String)>,
    _: NoQuery,
) -> Answer<Json<Explanation>> {
    let read: fn(&EngineState, &str) -> Found = match kind.as_str() {
        "task" => return Ok(Json(explain_task(&context, task_item::key(&id)?).await?)),
        "run" => return Ok(Json(explain_run::of(&context, &id).await?)),
        "group" => explain_group,
        "worker" => explain_worker,
        "pod" => explain_pod,
        _ => return Err(not_found("kind of thing called", &kind).into()),
    };
    let name = id.clone();
    let (found, _) = context
        .namespace
        .query(move |state| read(state, &name))
        .await?;
    let (state, obstacles) = found.ok_or_else(|| not_found(&kind, &id))?;
    let summary = match obstacles.as_slice() {
        [] => format!("{kind} {id} is {state}; nothing stands in its way"),
        _ => format!("{kind} {id} is {state}: {}", sentence(&obstacles)),
    };
    Ok(Json(Explanation {
        obstacles,
        ..bare(&kind, id, state, summary)
    }))
}

/// An explanation with nothing in the way.
pub(super) fn bare(kind: &str, id: String, state: &str, summary: String) -> Explanation {
    Explanation {
        kind: kind.to_owned(),
        id,
        state: state.to_owned(),
        summary,
        obstacles: Vec::new(),
        run: None,
        step: None,
        remedy: None,
    }
}

async fn explain_task(context: &Context, key: Key) -> Answer<Explanation> {
    let read = move |state: &EngineState| {
        let step = state.step_of(key.task());
        let step = step.map(|(run, step, _)| (run, state.step_name(run, step).map(str::to_owned)));
        let group = state.task_view(key).map(|view| view.group);
        Some((state.explain(key)?, step, group.unwrap_or_default()))
    };
    let (found, position) = context.namespace.query(read).await?;
    let id = key.to_string();
    if let Some((found, step, group)) = found {
        let causes = found.obstacles;
        let obstacles: Vec<Obstacle> = causes.into_iter().map(obstacle).collect();
        let state = found.phase.name();
        let summary = match obstacles.as_slice() {
            [] if found.phase == capataz_engine::Phase::Queued => {
                format!("task {id} is next in line")
            }
            [] => format!("task {id} is {state}"),
            _ => format!("task {id} is {state}: {}", sentence(&obstacles)),
        };
        let (run, step) = step.unzip();
        return Ok(Explanation {
            remedy: remedy(&obstacles, &group),
            obstacles,
            run: run.map(|run| run.to_string()),
            step: step.flatten(),
            ..bare("task", id, state, summary)
        });
    }
    context.await_store(position).await?;
    let read = move |store: &crate::store::Reader| {
        let mut task = store.task(key)?;
        store.name_steps(task.as_mut_slice())?;
        Ok(task)
    };
    let record = context.read(read).await?;
    let record = record.ok_or_else(|| not_found("task", &id))?;
    let state = record.phase.name();
    let reason = task_item::reason(record.reason).map_or_else(String::new, |r| format!(" ({r})"));
    let summary = format!("task {id} has ended: it is {state}{reason}");
    Ok(Explanation {
        run: record.step.map(|step| step.run.to_string()),
        step: record.step_name,
        ..bare("task", id, state, summary)
    })
}

/// The smallest change that would let a task of a group start: all that holds the group, and one
/// thing about one of its workers.
pub(super) fn remedy(obstacles: &[Obstacle], group: &str) -> Option<String> {
    let find = |kind: &str| obstacles.iter().find(|obstacle| obstacle.kind == kind);
    let mut changes = Vec::new();
    if find("run_paused").is_some() {
        changes.push("resume its run".to_owned());
    }
    if find("group_paused").is_some() {
        changes.push(format!("resume group {group}"));
    }
    if let Some(bound) = find("group_at_limit").and_then(|obstacle| obstacle.number) {
        changes.push(format!("let group {group} run more than {bound} at once"));
    }
    let pod = |obstacle: &Obstacle| obstacle.pod.clone().unwrap_or_default();
    let worker = |obstacle: &Obstacle| obstacle.worker.clone().unwrap_or_default();
    let one = if find("no_worker").is_some() {
        Some(format!("start a worker with `--group {group}`"))
    } else if let Some(paused) = find("pod_paused") {
        Some(format!("resume pod {}", pod(paused)))
    } else if let Some(draining) = find("worker_draining") {
        Some(format!("lift the drain of worker {}", worker(draining)))
    } else if let Some(detached) = find("worker_detached") {
        Some(format!("start worker {} again", worker(detached)))
    } else if let Some(held) = find("pod_held") {
        let pod = pod(held);
        Some(format!(
            "release pod {pod}, once its lost attempts are gone"
        ))
    } else if let Some(full) = find("pod_full") {
        Some(format!(
            "give pod {} more slots, or wait for one",
            pod(full)
        ))
    } else {
        find("worker_busy").map(|_| format!("start another worker with `--group {group}`, or wait"))
    };
    changes.extend(one);
    (!changes.is_empty()).then(|| changes.join(", and "))
}

fn explain_group(state: &EngineState, name: &str) -> Found {
    let view = state.group_view(state.group_id(name)?)?;
    let mut causes = Vec::new();
    if view.paused {
        causes.push(Cause::GroupPaused);
    }
    if let Some(max_running) = view.max_running.filter(|max| view.running >= *max) {
        causes.push(Cause::GroupAtLimit { max_running });
    }
    let workers = state.worker_views().into_iter();
    let serving: Vec<WorkerView> = workers
        .filter(|worker| worker.groups.iter().any(|group| group == name))
        .collect();
    if serving.is_empty() {
        causes.push(Cause::NoWorker);
    }
    for worker in serving {
        causes.extend(worker_causes(&worker));
    }
    let word = if view.paused { "paused" } else { "open" };
    Some((word, causes.into_iter().map(obstacle).collect()))
}

fn explain_worker(state: &EngineState, name: &str) -> Found {
    let view = state.worker_view(state.worker_id(name)?)?;
    let mut obstacles: Vec<Obstacle> = worker_causes(&view).into_iter().map(obstacle).collect();
    if let Some((_, pod)) = explain_pod(state, &view.pod) {
        obstacles.extend(pod);
    }
    let word = match (view.attached || view.polling, view.draining) {
        (false, _) => "detached",
        (true, true) => "draining",
        (true, false) => "connected",
    };
    Some((word, obstacles))
}

fn worker_causes(view: &WorkerView) -> Vec<Cause> {
    let worker = view.name.clone();
    let running = view.leases.len() as u32;
    match (view.attached || view.polling, view.draining) {
        (false, _) => vec![Cause::WorkerDetached { worker }],
        (true, true) => vec![Cause::WorkerDraining { worker }],
        (true, false) if !view.polling && running >= view.concurrency => {
            vec![Cause::WorkerBusy { worker, running }]
        }
        (true, false) => Vec::new(),
    }
}

fn explain_pod(state: &EngineState, name: &str) -> Found {
    let view = state.pod_view(state.pod_id(name)?)?;
    let pod = || name.to_owned();
    let mut causes = Vec::new();
    if view.paused {
        causes.push(Cause::PodPaused { pod: pod() });
    }
    if !view.held.is_empty() {
        let by = view.held.iter().map(|(key, ..)| *key).collect();
        causes.push(Cause::PodHeld { pod: pod(), by });
    }
    if view.used >= view.slots {
        let workers = view
            .workers
            .iter()
            .filter_map(|worker| state.worker_id(worker));
        let leases = workers
            .filter_map(|id| state.worker_view(id))
            .flat_map(|w| w.leases);
        let by = leases.map(|(key, _)| key).collect();
        causes.push(Cause::PodFull {
            pod: pod(),
            slots: view.slots,
            by,
        });
    }
    let word = match (view.paused, view.used) {
        (true, _) => "paused",
        (false, 0) => "idle",
        (false, _) => "working",
    };
    Some((word, causes.into_iter().map(obstacle).collect()))
}

pub(super) fn sentence(obstacles: &[Obstacle]) -> String {
    let texts: Vec<&str> = obstacles
        .iter()
        .map(|obstacle| obstacle.text.as_str())
        .collect();
    texts.join("; ")
}

/// Some tasks by name: all of them are in the obstacle's `tasks`.
fn of_tasks(by: &[Key]) -> String {
    const NAMED: usize = 5;
    let names: Vec<String> = by.iter().take(NAMED).map(Key::to_string).collect();
    match (by.len(), names.join(", ")) {
        (0, _) => String::new(),
        (1, name) => format!(", by task {name}"),
        (all, names) if all > NAMED => format!(", by tasks {names} and others"),
        (_, names) => format!(", by tasks {names}"),
    }
}

fn keys(by: Vec<Key>) -> Vec<String> {
    by.into_iter().map(|key| key.to_string()).collect()
}

pub(super) fn obstacle(cause: Cause) -> Obstacle {
    let say = |kind: &str, text: String| {
        let kind = kind.to_owned();
        Obstacle {
            kind,
            text,
            ..Obstacle::default()
        }
    };
    match cause {
        // A task of a paused run waits for no time at all.
        Cause::NotBefore(capataz_engine::Timestamp(u64::MAX)) => {
            say("run_paused", "its run is paused; resume it".into())
        }
        Cause::NotBefore(at) => {
            let until = time(at);
            let text = format!("it waits until {until}");
            Obstacle {
                until: Some(until),
                ..say("not_before", text)
            }
        }
        Cause::RunPaused { run } => {
            say("run_paused", format!("its run {run} is paused; resume it"))
        }
        Cause::GroupPaused => say("group_paused", "its group is paused; resume it".into()),
        Cause::GroupAtLimit { max_running } => {
            let text = format!("its group may run no more than {max_running} at once");
            Obstacle {
                number: Some(max_running.into()),
                ..say("group_at_limit", text)
            }
        }
        Cause::NoWorker => say(
            "no_worker",
            "no worker serves its group; start one with `--group`".into(),
        ),
        Cause::WorkerDetached { worker } => {
            let text = format!("worker {worker} is not connected");
            Obstacle {
                worker: Some(worker),
                ..say("worker_detached", text)
            }
        }
        Cause::WorkerDraining { worker } => {
            let text = format!("worker {worker} drains");
            Obstacle {
                worker: Some(worker),
                ..say("worker_draining", text)
            }
        }
        Cause::WorkerBusy { worker, running } => {
            let text = format!("worker {worker} runs {running}, as much as it can");
            let number = Some(running.into());
            Obstacle {
                worker: Some(worker),
                number,
                ..say("worker_busy", text)
            }
        }
        Cause::PodPaused { pod } => {
            let text = format!("pod {pod} is paused; resume it");
            Obstacle {
                pod: Some(pod),
                ..say("pod_paused", text)
            }
        }
        Cause::PodFull { pod, slots, by } => {
            let text = format!(
                "all slots of pod {pod} are taken ({slots}){}",
                of_tasks(&by)
            );
            let number = Some(slots.into());
            Obstacle {
                pod: Some(pod),
                number,
                tasks: keys(by),
                ..say("pod_full", text)
            }
        }
        Cause::PodHeld { pod, by } => {
            let text = format!("{} slots of pod {pod} are held for lost attempts", by.len());
            let number = Some(by.len() as u64);
            Obstacle {
                pod: Some(pod),
                number,
                tasks: keys(by),
                ..say("pod_held", text)
            }
        }
        Cause::Behind {
            more_urgent,
            earlier,
        } => {
            let or_more = match earlier {
                capataz_engine::PLACES.. => " or more",
                _ => "",
            };
            let text = format!(
                "{more_urgent} of its group are more urgent, {earlier}{or_more} as urgent came earlier"
            );
            Obstacle {
                number: Some(more_urgent + earlier),
                ..say("behind", text)
            }
        }
    }
}

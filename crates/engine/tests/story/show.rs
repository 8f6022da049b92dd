//! What a story can look at: it changes nothing.

use capataz_engine::{Key, RunId, State};

use super::owner::run_id;
use super::run_words::run_state;
use super::stage::Stage;
use super::words::{obstacle, state, time, token};

impl Stage {
    pub(super) fn show(&self, what: &str, name: &str) -> String {
        let state = &self.witness.state;
        match what {
            "group" => show_group(state, name),
            "pod" => show_pod(state, name),
            "worker" => show_worker(state, name),
            "task" => show_task(state, super::line::key(name)),
            "run" => self.show_run(run_id(name)),
            "workflow" => show_workflow(state, name),
            _ => panic!("there is no {what} to show"),
        }
    }

    pub(super) fn explain(&self, key: Key) -> Vec<String> {
        match self.witness.state.explain(key) {
            None => vec!["it is not alive".to_owned()],
            Some(why) if why.obstacles.is_empty() => {
                vec![format!("{}, nothing stands in its way", why.phase.name())]
            }
            Some(why) => why.obstacles.iter().map(obstacle).collect(),
        }
    }

    /// Where a run and its steps stand.
    fn show_run(&self, id: RunId) -> String {
        let state = &self.witness.state;
        let (Some(view), Some(context)) = (state.run_view(id, 0), state.run_context(id)) else {
            return "it is not alive".to_owned();
        };
        let holder = view.holder.map(|holder| format!(" of {holder}"));
        let steps = (0_u32..).zip(&context.version().graph.steps);
        let steps = steps.map(|(number, node)| {
            let state = context.step_state(number);
            format!("{} {state}", node.name)
        });
        format!(
            "{}{}: {}",
            run_state(view.phase, view.reason),
            holder.unwrap_or_default(),
            steps.collect::<Vec<_>>().join(", ")
        )
    }
}

fn show_workflow(of: &State, name: &str) -> String {
    let Some(view) = of.workflow_view(name) else {
        return format!("there is no workflow {name}");
    };
    let registered = match view.registered {
        Some(number) => format!("version {number}"),
        None => "not registered".to_owned(),
    };
    let held = view
        .held_until
        .map(|until| format!(", held until {}", time(until)));
    format!(
        "{registered}, {} runs, {} under way, {} tasks, {} failed in a row{}",
        view.runs,
        view.running,
        view.tasks,
        view.failures,
        held.unwrap_or_default()
    )
}

fn show_group(state: &State, name: &str) -> String {
    let view = state.group_id(name).and_then(|id| state.group_view(id));
    let Some(view) = view else {
        return format!("there is no group {name}");
    };
    format!(
        "queued {}, scheduled {}, running {}, succeeded {}, failed {}, cancelled {}",
        view.queued, view.scheduled, view.running, view.succeeded, view.failed, view.cancelled
    )
}

fn show_pod(state: &State, name: &str) -> String {
    let view = state.pod_id(name).and_then(|id| state.pod_view(id));
    let Some(view) = view else {
        return format!("there is no pod {name}");
    };
    let held: Vec<String> = view
        .held
        .iter()
        .map(|(k, a, w)| format!("{} of {w}", token(*k, *a)))
        .collect();
    let held = if held.is_empty() {
        "nothing".to_owned()
    } else {
        held.join(", ")
    };
    format!("slots {}, used {}, held for {held}", view.slots, view.used)
}

fn show_worker(state: &State, name: &str) -> String {
    let view = state.worker_id(name).and_then(|id| state.worker_view(id));
    let Some(view) = view else {
        return format!("there is no worker {name}");
    };
    let leases: Vec<String> = view.leases.iter().map(|(k, a)| token(*k, *a)).collect();
    let leases = if leases.is_empty() {
        "nothing".to_owned()
    } else {
        leases.join(", ")
    };
    let attached = if view.attached {
        "attached"
    } else {
        "detached"
    };
    let drains = if view.draining { ", drains" } else { "" };
    format!("{attached}{drains}, has {leases}")
}

fn show_task(of: &State, key: Key) -> String {
    match of.task_view(key) {
        None => "it is not alive".to_owned(),
        Some(view) => {
            let until = view.until.map(|until| format!(" until {}", time(until)));
            let what = state(view.phase, view.reason);
            format!(
                "{what}{}, {} attempts",
                until.unwrap_or_default(),
                view.attempts
            )
        }
    }
}

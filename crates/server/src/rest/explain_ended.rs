//! Why a run ended as it did: the steps that are to blame, and what would run them once more.

use capataz_api::rest::{Explanation, Obstacle};
use capataz_engine::{RunPhase, RunReason};

use super::context::Context;
use super::explain::bare;
use super::refusal::Answer;
use super::task_item;
use crate::store::{BadStep, RunRecord};

/// Steps that are named one by one: more are counted.
const NAMED: usize = 20;

pub(super) async fn explain(context: &Context, record: RunRecord) -> Answer<Explanation> {
    let run = record.id;
    let (steps, count) = match record.reason {
        RunReason::StepFailed => {
            let read = move |store: &crate::store::Reader| store.bad_steps(run, NAMED);
            context.read(read).await?
        }
        _ => (Vec::new(), 0),
    };
    let mut obstacles: Vec<Obstacle> = steps.into_iter().map(of_step).collect();
    if count > NAMED {
        obstacles.push(Obstacle {
            kind: "step_failed".to_owned(),
            text: format!("{} further steps ended badly, too", count - NAMED),
            number: Some((count - NAMED) as u64),
            ..Obstacle::default()
        });
    }
    let summary = summary(&record, &obstacles);
    Ok(Explanation {
        obstacles,
        remedy: remedy(&record),
        ..bare("run", run.to_string(), record.phase.name(), summary)
    })
}

fn summary(record: &RunRecord, obstacles: &[Obstacle]) -> String {
    let (run, state) = (record.id, record.phase.name());
    let reason = match record.reason.name() {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    let texts = obstacles.iter().map(|obstacle| obstacle.text.as_str());
    let why = match record.note.as_str() {
        "" => texts.collect::<Vec<_>>().join("; "),
        note => note.to_owned(),
    };
    let colon = if why.is_empty() { "" } else { ": " };
    format!("run {run} has ended: it is {state}{reason}{colon}{why}")
}

/// A step that decided the run's end.
fn of_step(bad: BadStep) -> Obstacle {
    let BadStep { step, tasks } = bad;
    let name = step.node.name;
    let state = step.phase.name();
    let reason = match step.reason {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    let tasks = tasks.into_iter().map(task_item::task);
    let tasks: Vec<capataz_api::rest::Task> = tasks.collect();
    let said = tasks.last().and_then(|task| {
        let code = task.exit_code.map(|code| format!("exit code {code}"));
        let signal = task.signal.map(|signal| format!("signal {signal}"));
        task.message.clone().or(code).or(signal)
    });
    let why = match (step.note.as_str(), said) {
        ("", Some(said)) => format!(": {said}"),
        ("", None) => String::new(),
        (note, _) => format!(": {note}"),
    };
    let ids: Vec<String> = tasks.into_iter().map(|task| task.id).collect();
    let see = match (ids.as_slice(), step.fan) {
        ([], _) => String::new(),
        ([id], None) => format!("; its task is {id}"),
        (ids, _) => format!("; such as task {}", ids.join(", ")),
    };
    Obstacle {
        kind: "step_failed".to_owned(),
        text: format!("step {name:?} {state}{reason}{why}{see}"),
        step: Some(name),
        tasks: ids,
        ..Obstacle::default()
    }
}

/// The command that runs what ended badly once more.
fn remedy(record: &RunRecord) -> Option<String> {
    let run = record.id;
    match (record.phase, record.reason) {
        // All steps are well: it is the result, or the next run, that cannot be made of them.
        (RunPhase::Failed, RunReason::Template) => Some(format!(
            "capataz run rerun {run} --from STEP, with a step that gives another output"
        )),
        (RunPhase::Failed | RunPhase::Cancelled, _) => Some(format!("capataz run retry {run}")),
        _ => None,
    }
}

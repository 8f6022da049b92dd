//! A run, or a workflow, as something that can be drawn.

use std::collections::HashMap;

use capataz_api::client::{Client, ClientError};
use capataz_api::rest::{RunDetail, RunQuery, RunStep, TaskState};
use capataz_api::{Timestamp, rest};
use capataz_drawing::{Edge, Elements, Picture, PictureStep, StepState};
use capataz_workflow::{On, Workflow};

/// A run with all of its steps, now or as it stood at a moment.
pub(crate) async fn whole(
    client: &Client,
    id: &str,
    at: Option<Timestamp>,
) -> Result<RunDetail, ClientError> {
    let mut query = RunQuery {
        at,
        ..RunQuery::default()
    };
    let mut whole = client.run(id, &query).await?;
    while let Some(from) = whole.step_cursor {
        query.step_cursor = Some(from);
        let next = client.run(id, &query).await?;
        whole.steps.extend(next.steps);
        whole.step_cursor = next.step_cursor;
    }
    Ok(whole)
}

/// The picture of a run at the moment `now`.
pub(crate) fn of_run(detail: &RunDetail, now: Timestamp) -> Picture {
    let run = &detail.run;
    let numbers = detail.steps.iter().enumerate();
    let places: HashMap<&str, usize> = numbers.map(|(n, step)| (step.id.as_str(), n)).collect();
    Picture {
        run: run.id.clone(),
        workflow: run.workflow.clone(),
        // What has ended is named as steps are, for its colour.
        state: match run.state.is_live() {
            true => state_of(run),
            false => run.state.to_string(),
        },
        now: run.finished_at.unwrap_or(now).0,
        steps: detail
            .steps
            .iter()
            .map(|step| of_step(step, &places, &detail.steps))
            .collect(),
    }
}

/// The state of a run in words, with its reason.
pub(crate) fn state_of(run: &rest::Run) -> String {
    let state = match run.cancelling && run.state.is_live() {
        true => "cancelling".to_owned(),
        false => run.state.to_string(),
    };
    match &run.reason {
        Some(reason) => format!("{state} ({reason})"),
        None => state,
    }
}

fn of_step(step: &RunStep, places: &HashMap<&str, usize>, steps: &[RunStep]) -> PictureStep {
    let known = step.after.iter().filter_map(|edge| {
        let place = *places.get(edge.step.as_str())?;
        Some((place, edge_of(&edge.on)))
    });
    let after: Vec<_> = known.collect();
    let before = after.iter().map(|(place, _)| &steps[*place]);
    let before = before.filter(|before| before.state.is_live());
    let waits_for = match step.state {
        TaskState::Blocked => before.map(|before| before.id.clone()).collect(),
        TaskState::Queued => vec!["a worker".to_owned()],
        _ => Vec::new(),
    };
    let micros = |time: Option<Timestamp>| time.map(|time| time.0);
    PictureStep {
        id: step.id.clone(),
        state: StepState::from_name(step.state.as_str()).unwrap_or_default(),
        reason: why(step),
        waits_for,
        after,
        submitted_at: Some(step.submitted_at.0),
        queued_at: micros(step.queued_at),
        started_at: micros(step.started_at),
        finished_at: micros(step.finished_at),
        worker: step.worker.clone(),
        elements: step.elements.map(|elements| Elements {
            done: elements.succeeded.into(),
            failed: elements.failed.into(),
            total: elements.total.into(),
        }),
    }
}

/// Why a step is in its state, with the step that brought it there.
pub(crate) fn why(step: &RunStep) -> String {
    let reason = step.reason.clone().unwrap_or_default();
    match &step.upstream {
        Some(upstream) => format!("{reason}: {upstream}"),
        None => reason,
    }
}

fn edge_of(on: &str) -> Edge {
    match on {
        "failure" => Edge::Failure,
        "any" => Edge::Any,
        _ => Edge::Success,
    }
}

/// The picture of a workflow that nobody runs.
pub(crate) fn of_workflow(workflow: &Workflow) -> Picture {
    let edge = |on: On| match on {
        On::Success => Edge::Success,
        On::Failure => Edge::Failure,
        On::Any => Edge::Any,
    };
    let definitions = workflow.definition().steps.iter();
    let steps = definitions.zip(workflow.steps()).map(|(definition, step)| {
        let after = step.after.iter();
        PictureStep {
            id: definition.id.clone(),
            after: after.map(|(place, on)| (*place, edge(*on))).collect(),
            ..PictureStep::default()
        }
    });
    Picture {
        workflow: workflow.name().to_owned(),
        steps: steps.collect(),
        ..Picture::default()
    }
}

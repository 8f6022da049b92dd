//! Runs: a page of them, one with its steps, and how one ended.

use capataz_api::Span;
use capataz_api::rest::{Run, RunDetail, RunPage, RunStarted, RunStep};
use serde::Serialize;

use super::tasks::shares;
use super::{at, between, shorten, some};
use crate::output::{Report, Sheet};
use crate::runs::picture::{state_of, why};

/// A run that was waited for; its table leaves the steps out.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct EndedRun(pub(crate) RunDetail);

impl Report for RunStarted {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[]);
        sheet.row([self.id.clone()]);
        sheet
    }

    fn ids(&self) -> Vec<String> {
        vec![self.id.clone()]
    }
}

/// Runs that were started with one command.
#[derive(Serialize)]
pub(crate) struct StartedRuns {
    pub(crate) ids: Vec<String>,
}

impl Report for StartedRuns {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[]);
        self.ids.iter().for_each(|id| sheet.row([id.clone()]));
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.ids.clone()
    }
}

impl Report for RunPage {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[
            "ID",
            "WORKFLOW",
            "VERSION",
            "STATE",
            "REASON",
            "STEPS",
            "SUBMITTED",
            "TOOK",
            "TAGS",
        ]);
        for run in &self.items {
            sheet.row([
                run.id.clone(),
                run.workflow.clone(),
                run.version.to_string(),
                run.state.to_string(),
                some(&run.reason),
                format!("{}/{}", run.counts.ended(), run.counts.total()),
                at(Some(run.submitted_at)),
                between(run.started_at, run.finished_at),
                run.tags.join(", "),
            ]);
        }
        if let Some(cursor) = &self.cursor {
            sheet.note(format!("more: --cursor {cursor}"));
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.items.iter().map(|run| run.id.clone()).collect()
    }
}

impl Report for RunDetail {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[
            "STEP", "STATE", "REASON", "TASK", "ATTEMPT", "STARTED", "TOOK", "WORKER", "AFTER",
        ]);
        for step in &self.steps {
            sheet.row(cells(step));
        }
        for (name, value) in facts(self) {
            sheet.note(format!("{name}: {value}"));
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.id.clone()).collect()
    }
}

impl Report for EndedRun {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[]);
        for (name, value) in facts(&self.0) {
            sheet.field(name, value);
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        vec![self.0.run.id.clone()]
    }
}

fn cells(step: &RunStep) -> [String; 9] {
    let after = step.after.iter().map(|edge| match edge.on.as_str() {
        "success" => edge.step.clone(),
        on => format!("{} ({on})", edge.step),
    });
    let attempt = match (step.attempt, &step.elements) {
        (_, Some(elements)) => {
            let ended = elements.succeeded + elements.failed;
            format!("{ended}/{}", elements.total)
        }
        (0, None) => String::new(),
        (attempt, None) => attempt.to_string(),
    };
    let said = match (why(step), &step.note) {
        (why, Some(note)) if why.is_empty() => shorten(note),
        (why, Some(note)) => format!("{why}: {}", shorten(note)),
        (why, None) => why,
    };
    [
        step.id.clone(),
        step.state.to_string(),
        said,
        some(&step.task),
        attempt,
        at(step.started_at),
        between(step.started_at, step.finished_at),
        some(&step.worker),
        shorten(&after.collect::<Vec<_>>().join(", ")),
    ]
}

/// What there is to say about a run beside its steps; nothing that is not there.
fn facts(detail: &RunDetail) -> Vec<(&'static str, String)> {
    let run = &detail.run;
    let all = [
        ("run", run.id.clone()),
        (
            "workflow",
            format!("{}, version {}", run.workflow, run.version),
        ),
        ("state", state_of(run)),
        ("note", some(&run.note)),
        ("steps", shares(&run.counts)),
        ("round", later(run.round, 1)),
        ("repetition", later(run.repetition, 0)),
        ("repeats", some(&run.repeats)),
        ("key", some(&run.key)),
        ("conflict key", some(&run.conflict_key)),
        ("tags", run.tags.join(", ")),
        ("submitted", at(Some(run.submitted_at))),
        ("waited", waited(run)),
        ("took", between(run.started_at, run.finished_at)),
        ("parameters", json(Some(&detail.parameters))),
        ("message", json(detail.message.as_ref())),
        ("result", json(detail.result.as_ref())),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// How long it was held back, when that is long enough to be noticed.
fn waited(run: &Run) -> String {
    const NOTICED: Span = Span(100_000);
    match run.started_at {
        Some(started) if started.0 - run.submitted_at.0 >= NOTICED.0 => {
            between(Some(run.submitted_at), Some(started))
        }
        _ => String::new(),
    }
}

fn later(number: u32, first: u32) -> String {
    match number > first {
        true => number.to_string(),
        false => String::new(),
    }
}

fn json(value: Option<&serde_json::Value>) -> String {
    match value {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::Object(map)) if map.is_empty() => String::new(),
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn detail() -> RunDetail {
        let step = |id: &str, state: &str, after: serde_json::Value| {
            json!({
                "id": id, "state": state, "reason": null, "after": after, "join": "all",
                "kind": "task", "round": 1, "task": "4", "attempt": 2,
                "submitted_at": "1970-01-01T00:00:01.000000Z", "queued_at": null,
                "allocated_at": null, "started_at": "1970-01-01T00:00:02.000000Z",
                "finished_at": "1970-01-01T00:00:03.500000Z", "worker": "w", "pod": "p",
                "host": "h",
            })
        };
        serde_json::from_value(json!({
            "id": "r1", "workflow": "etl", "version": 3, "state": "failed",
            "reason": "step_failed", "round": 1, "priority": 5, "tags": ["t"], "key": null,
            "conflict_key": null, "repetition": 0,
            "submitted_at": "1970-01-01T00:00:01.000000Z",
            "started_at": "1970-01-01T00:00:01.000000Z",
            "finished_at": "1970-01-01T00:00:04.000000Z",
            "counts": {"succeeded": 1, "failed": 1},
            "parameters": {"day": "mon"}, "message": null, "result": null,
            "steps": [
                step("load", "failed", json!([])),
                step("clean", "succeeded", json!([{"step": "load", "on": "failure"}])),
            ],
            "step_cursor": null, "position": 7,
        }))
        .unwrap()
    }

    #[test]
    fn a_run_is_its_steps_and_what_else_there_is_to_say() {
        let table = detail().sheet().render(false);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].starts_with("load   failed"), "{table}");
        assert!(
            lines[2].ends_with("1.5s  w       load (failure)"),
            "{table}"
        );
        assert!(lines.contains(&"state: failed (step_failed)"), "{table}");
        assert!(lines.contains(&"parameters: {\"day\":\"mon\"}"), "{table}");
        assert!(!table.contains("message"), "{table}");
    }

    #[test]
    fn a_run_that_was_waited_for_is_shown_without_its_steps() {
        let ended = EndedRun(detail());
        assert_eq!(ended.ids(), ["r1"]);
        let table = ended.sheet().render(false);
        assert!(table.contains("took"), "{table}");
        assert!(!table.contains("clean"), "{table}");
        let json = serde_json::to_value(&ended).unwrap();
        assert_eq!(
            (&json["id"], json["steps"].as_array().unwrap().len()),
            (&json!("r1"), 2)
        );
    }
}

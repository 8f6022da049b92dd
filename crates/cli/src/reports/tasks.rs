//! Tasks: a page of them, and one with all its attempts.

use capataz_api::rest::{Attempt, Counts, Task, TaskDetail, TaskPage};

use super::{at, between, excerpt, some, took};
use crate::output::{Report, Sheet};

impl Report for TaskPage {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[
            "ID",
            "GROUP",
            "STATE",
            "REASON",
            "PRIORITY",
            "ATTEMPT",
            "SUBMITTED",
            "TOOK",
            "WORKER",
            "STEP",
            "OUTPUT",
        ]);
        for task in &self.items {
            sheet.row([
                task.id.clone(),
                task.group.clone(),
                task.state.to_string(),
                some(&task.reason),
                task.priority.to_string(),
                task.attempt.to_string(),
                at(Some(task.submitted_at)),
                between(task.started_at, task.finished_at),
                some(&task.worker),
                step(task),
                excerpt(task.output.as_ref()),
            ]);
        }
        if let Some(cursor) = &self.cursor {
            sheet.note(format!("more: --cursor {cursor}"));
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        self.items.iter().map(|task| task.id.clone()).collect()
    }
}

impl Report for TaskDetail {
    fn sheet(&self) -> Sheet {
        let task = &self.task;
        let mut sheet = fields(task);
        sheet.field("argv", argv(&self.spec.argv));
        for attempt in &self.attempts {
            sheet.row([format!("attempt {}", attempt.attempt), told(attempt)]);
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        vec![self.task.id.clone()]
    }
}

fn fields(task: &Task) -> Sheet {
    let mut sheet = Sheet::of_fields([
        ("id", task.id.clone()),
        ("group", task.group.clone()),
        ("state", task.state.to_string()),
        ("reason", some(&task.reason)),
        ("message", some(&task.message)),
        ("priority", task.priority.to_string()),
        ("tags", task.tags.join(", ")),
        ("step", step(task)),
        ("dedup key", some(&task.dedup_key)),
        ("round", task.round.to_string()),
        ("submitted", at(Some(task.submitted_at))),
        ("not before", at(task.run_at)),
        ("queued", at(task.queued_at)),
        ("allocated", at(task.allocated_at)),
        ("started", at(task.started_at)),
        ("finished", at(task.finished_at)),
        ("worker", some(&task.worker)),
        ("pod", some(&task.pod)),
        ("host", some(&task.host)),
    ]);
    if let Some(counts) = &task.counts {
        sheet.field("elements", shares(counts));
    }
    if let Some(meta) = &task.meta {
        sheet.field("meta", meta.to_string());
    }
    sheet.field("output", excerpt(task.output.as_ref()));
    sheet
}

/// The run and the step that a task belongs to, as in `r17 load[3]`.
fn step(task: &Task) -> String {
    let (Some(run), Some(step)) = (&task.run, &task.step) else {
        return String::new();
    };
    match task.element {
        Some(element) => format!("{run} {step}[{element}]"),
        None => format!("{run} {step}"),
    }
}

/// How many are in each state in which there are any.
pub(crate) fn shares(counts: &Counts) -> String {
    let states = capataz_api::rest::TaskState::ALL.into_iter();
    let there = states
        .map(|state| (counts.get(state), state))
        .filter(|(count, _)| *count > 0);
    there
        .map(|(count, state)| format!("{count} {state}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A command as one could type it.
fn argv(argv: &[String]) -> String {
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || "-_./=:,+@%".contains(c))
    };
    let quoted = argv.iter().map(|text| match plain(text) {
        true => text.clone(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// One attempt in a line.
fn told(attempt: &Attempt) -> String {
    let mut told = attempt.outcome.clone();
    let mut add = |text: String| {
        if !text.is_empty() {
            told.push_str(&format!(", {text}"));
        }
    };
    add(some(&attempt.reason));
    add(some(&attempt.message));
    add(attempt
        .exit_code
        .map(|code| format!("exit code {code}"))
        .unwrap_or_default());
    add(attempt
        .signal
        .map(|signal| format!("signal {signal}"))
        .unwrap_or_default());
    add(attempt
        .worker
        .as_ref()
        .map(|worker| format!("by {worker}"))
        .unwrap_or_default());
    let ran = between(attempt.started_at, attempt.finished_at);
    add(if ran.is_empty() {
        ran
    } else {
        format!("took {ran}")
    });
    if let Some(usage) = &attempt.usage {
        add(format!("CPU {}", took(usage.cpu)));
        add(format!(
            "{:.1} MiB at most",
            usage.peak_memory as f64 / f64::from(1 << 20)
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argv_is_shown_as_one_could_type_it() {
        let words = ["cp", "a b", "it's", ""].map(str::to_owned);
        assert_eq!(argv(&words), r"cp 'a b' 'it'\''s' ''");
    }

    #[test]
    fn only_states_with_tasks_are_named() {
        let counts = Counts {
            succeeded: 3,
            failed: 1,
            ..Counts::default()
        };
        assert_eq!(shares(&counts), "3 succeeded, 1 failed");
    }
}

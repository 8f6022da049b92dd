//! An instance as the definition of a workflow.

use std::collections::BTreeSet;

use capataz_api::limits;
use serde_json::{Map, Value, json};

use super::edges::edges;
use super::instance::{Task, read};
use super::{ImportError, Options};

/// Steps of one workflow: what a definition may have.
const STEPS_MAX: usize = 100_000;
/// What is kept of a name or program that people read, in bytes: some files hold whole scripts here.
const WORDS_BYTES: usize = 200;
/// What is kept of the description, in bytes.
const DESCRIPTION_BYTES: usize = 1_000;
/// Where such a tag says that a program is meant.
const PROGRAM_TAG: &str = "program:";

/// The definition of a workflow that replays a WfFormat instance, in the JSON form of our YAML.
///
/// Each task is a step of the same id with an `argv` that takes `runtimeInSeconds` times the scale;
/// its `meta` holds the task's `name` when it is not its id, its `program`, the recorded `runtime_s`
/// and the `replay_s` that it is to take; a tag `program:NAME` lets one find all tasks of a program.
/// An id that is no id here (too long, empty, with control characters) is shortened and cleaned, and
/// numbered when that makes it another step's.
pub(crate) fn wfformat(text: &str, options: &Options) -> Result<Value, ImportError> {
    let scale = options.time_scale;
    if !(scale.is_finite() && scale >= 0.0) {
        return Err(ImportError::TimeScale { got: scale });
    }
    let instance = read(text)?;
    let count = instance.tasks.len();
    if !(1..=STEPS_MAX).contains(&count) {
        return Err(ImportError::Tasks {
            limit: STEPS_MAX,
            got: count,
        });
    }
    let after = edges(&instance, options.one_sided)?;
    let ids = step_ids(&instance.tasks);
    let mut steps = Vec::with_capacity(count);
    for (place, task) in instance.tasks.iter().enumerate() {
        let parents: Vec<&str> = after[place]
            .iter()
            .map(|from| ids[*from].as_str())
            .collect();
        steps.push(step(task, &ids[place], &parents, options)?);
    }
    let mut defaults = json!({ "group": options.group });
    if let Some(env) = options.replay.env() {
        defaults["env"] = env;
    }
    let name = instance.name.map(|name| shown(&name, limits::NAME_BYTES));
    let mut definition = json!({
        "name": name.filter(|name| !name.is_empty()).unwrap_or_else(|| "wfformat".to_owned()),
    });
    if let Some(description) = instance.description {
        definition["description"] = shown(&description, DESCRIPTION_BYTES).into();
    }
    definition["defaults"] = defaults;
    definition["steps"] = steps.into();
    Ok(definition)
}

fn step(task: &Task, id: &str, after: &[&str], options: &Options) -> Result<Value, ImportError> {
    let micros = options.replay.rounded(replay_us(task, options.time_scale)?);
    let mut meta = Map::new();
    if task.name != id {
        meta.insert(
            "name".to_owned(),
            literal(&shown(&task.name, WORDS_BYTES)).into(),
        );
    }
    let program = task
        .program
        .as_ref()
        .map(|program| shown(program, WORDS_BYTES));
    let program = program.filter(|program| !program.is_empty());
    if let Some(program) = &program {
        meta.insert("program".to_owned(), literal(program).into());
    }
    meta.insert("runtime_s".to_owned(), task.runtime_s.into());
    meta.insert("replay_s".to_owned(), (micros as f64 / 1e6).into());
    let mut step = json!({ "id": id });
    if !after.is_empty() {
        step["after"] = json!(after);
    }
    step["argv"] = options.replay.argv(micros).into();
    step["expected"] = (micros as f64 / 1e6).into();
    // A script is no name to find tasks by.
    if let Some(program) = program.filter(|program| !program.contains(char::is_whitespace)) {
        step["tags"] = json!([literal(&format!("{PROGRAM_TAG}{program}"))]);
    }
    step["meta"] = meta.into();
    Ok(step)
}

/// The scaled runtime in whole microseconds.
fn replay_us(task: &Task, scale: f64) -> Result<u64, ImportError> {
    let id = || task.id.clone();
    // JSON has no other numbers that are not finite than those too large for a float.
    if !(task.runtime_s.is_finite() && task.runtime_s >= 0.0) {
        return Err(ImportError::Runtime {
            id: id(),
            got: task.runtime_s,
        });
    }
    let scaled = task.runtime_s * scale;
    if scaled > limits::DURATION_MAX_SECS as f64 {
        return Err(ImportError::TooLong {
            id: id(),
            limit: limits::DURATION_MAX_SECS,
            got: scaled,
        });
    }
    Ok((scaled * 1e6).round() as u64)
}

/// The tasks' ids as step ids: unchanged wherever they can be.
fn step_ids(tasks: &[Task]) -> Vec<String> {
    let fits = |id: &str| {
        let printable = !id.contains(char::is_control);
        printable && (1..=limits::NAME_BYTES).contains(&id.len())
    };
    let unchanged = tasks
        .iter()
        .map(|task| task.id.clone())
        .filter(|id| fits(id));
    let mut taken: BTreeSet<String> = unchanged.collect();
    let ids = tasks.iter().map(|task| {
        if fits(&task.id) {
            return task.id.clone();
        }
        let id = unique(&task.id, &taken);
        taken.insert(id.clone());
        id
    });
    ids.collect()
}

/// The id without what an id may not have, and a number behind it when it is taken.
fn unique(id: &str, taken: &BTreeSet<String>) -> String {
    let clean = match shown(id, limits::NAME_BYTES) {
        clean if clean.is_empty() => "task".to_owned(),
        clean => clean,
    };
    let numbered = (2_usize..).map(|number| {
        let number = format!("~{number}");
        format!("{}{number}", cut(&clean, limits::NAME_BYTES - number.len()))
    });
    let mut candidates = std::iter::once(clean.clone()).chain(numbered);
    // There are more numbers than ids that may be taken.
    candidates
        .find(|id| !taken.contains(id))
        .unwrap_or_else(|| clean.clone())
}

/// A text in one line, without control characters, of at most so many bytes.
fn shown(text: &str, bytes: usize) -> String {
    let clean = text.trim().replace(char::is_control, " ");
    cut(&clean, bytes).trim_end().to_owned()
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A text that is to stand for itself where templates are looked for.
fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

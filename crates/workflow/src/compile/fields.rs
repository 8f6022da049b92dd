//! The fields of steps, each in itself and together. What a task spec may say is left to the reader
//! of task specs, so that both say the same.

use capataz_api::limits::PAYLOAD_BYTES_MAX;
use capataz_api::spec;
use serde_json::{Map, Value};

use super::expressions::has_template;
use crate::definition::{Definition, StepDefinition, TASK_FIELDS, TaskFields};
use crate::document::Path;
use crate::limits::FAN_OUT;
use crate::refusal::{Flaws, Reason};

pub(super) fn check(definition: &Definition, flaws: &mut Flaws<'_>) {
    check_task(&definition.defaults, &Path::top("defaults"), flaws);
    let has_group = definition.defaults.group.is_some();
    for (index, step) in definition.steps.iter().enumerate() {
        let path = Path::step(index);
        check_step(step, &path, flaws);
        if step.noop {
            check_noop(step, &path, flaws);
        } else {
            if !has_group && step.task.group.is_none() {
                let hint = Some("name it here or in `defaults`".to_owned());
                flaws.hinted(&path.field("group"), Reason::Missing, hint);
            }
            check_task(&step.task, &path, flaws);
        }
    }
}

fn check_step(step: &StepDefinition, path: &Path<'_>, flaws: &mut Flaws<'_>) {
    if step.parallelism.is_some() && step.for_each.is_none() {
        let reason = Reason::Needs { other: "for_each" };
        flaws.add(&path.field("parallelism"), reason);
    }
    if let Some(Err(flaw)) = step.expected.as_ref().map(super::read_span) {
        flaws.add(&path.field("expected"), flaw);
    }
    if step.alters_message && step.for_each.is_some() {
        let reason = Reason::Excludes { other: "for_each" };
        flaws.add(&path.field("alters_message"), reason);
    }
    if let Some(crate::ForEach::List(items)) = &step.for_each {
        let path = path.field("for_each");
        super::check_count(items.len(), FAN_OUT, "elements", &path, flaws);
    }
}

/// A noop has nothing of a task.
fn check_noop(step: &StepDefinition, path: &Path<'_>, flaws: &mut Flaws<'_>) {
    let said = step.task.to_map();
    let own = [
        ("for_each", step.for_each.is_some()),
        ("expected", step.expected.is_some()),
        ("alters_message", step.alters_message),
    ];
    let own = own
        .iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| *name);
    let task = TASK_FIELDS.iter().filter(|name| said.contains_key(**name));
    for name in own.chain(task.copied()) {
        flaws.add(&path.field(name), Reason::Excludes { other: "noop" });
    }
}

/// Checks fields as those of a task spec. Texts with expressions are checked once they are
/// rendered.
fn check_task(fields: &TaskFields, path: &Path<'_>, flaws: &mut Flaws<'_>) {
    if fields.is_empty() {
        return;
    }
    let mut document = Map::new();
    document.insert("group".to_owned(), Value::String("group".to_owned()));
    for (name, value) in fields.to_map() {
        let value = match name.as_str() {
            "payload" | "meta" if has_template(&value) => continue,
            "argv" | "tags" | "affinity" | "env" => without_templates(value),
            _ => value,
        };
        document.insert(name, value);
    }
    let document = Value::Object(document).to_string();
    if let Err(error) = spec::parse_task(document.as_bytes(), PAYLOAD_BYTES_MAX) {
        flaws.add_spec(path, error);
    }
}

/// Texts, with something harmless for those that have expressions.
fn without_templates(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains("${") => Value::String("x".to_owned()),
        Value::Array(items) => items.into_iter().map(without_templates).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            Value::Object(members.map(|(k, v)| (k, without_templates(v))).collect())
        }
        other => other,
    }
}

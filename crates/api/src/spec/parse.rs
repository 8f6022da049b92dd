//! Specs out of JSON: one object, a list of them, or one a line.

use serde_json::value::RawValue;

use super::check::{check_batch, validate_within};
use super::error::{Flaw, SpecError, nearest};
use super::value::{self, Raw};
use crate::json::{self, JsonError};
use crate::limits;
use crate::proto;

/// Every field of a spec in JSON.
pub(super) const FIELDS: &[&str] = &[
    "group",
    "argv",
    "payload",
    "priority",
    "tags",
    "meta",
    "dedup_key",
    "max_attempts",
    "backoff",
    "max_lost",
    "timeout",
    "delay",
    "run_at",
    "expires_in",
    "affinity",
    "count",
    "output",
    "env",
    "env_secret",
];

/// Reads and checks one spec. `payload_bytes` is the limit that the operator set.
pub fn parse_task(body: &[u8], payload_bytes: usize) -> Result<proto::TaskSpec, SpecError> {
    let text = json::check(body).map_err(whole)?;
    read_task(raw(text)?, payload_bytes)
}

/// Reads and checks a submission: `{"tasks": [...]}`, a list of specs, or a single spec.
pub fn parse_tasks(body: &[u8], payload_bytes: usize) -> Result<Vec<proto::TaskSpec>, SpecError> {
    let document = raw(json::check(body).map_err(whole)?)?;
    if document.get().starts_with('[') {
        return read_list(document, payload_bytes);
    }
    let members = value::members(document).map_err(whole)?;
    match members.iter().position(|(name, _)| name == "tasks") {
        Some(place) => {
            if let Some((name, _)) = members.iter().find(|(name, _)| name != "tasks") {
                return Err(SpecError::new(
                    name.as_ref(),
                    Flaw::Unknown { nearest: None },
                ));
            }
            read_list(members[place].1, payload_bytes)
        }
        None => Ok(vec![read_task(document, payload_bytes)?]),
    }
}

/// Reads and checks a submission of one spec a line; empty lines are skipped, and not counted in
/// the index of a refusal.
pub fn parse_lines(body: &[u8], payload_bytes: usize) -> Result<Vec<proto::TaskSpec>, SpecError> {
    let lines = body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let mut tasks = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let index = tasks.len();
        tasks.push(parse_task(line, payload_bytes).map_err(|error| error.at(index))?);
    }
    finish(tasks)
}

fn read_list(raw: Raw<'_>, payload_bytes: usize) -> Result<Vec<proto::TaskSpec>, SpecError> {
    let items = value::items(raw).map_err(|flaw| SpecError::new("tasks", flaw))?;
    // Before the tasks are looked at: a list that is far too long is not worth reading.
    check_batch(items.len(), 0)?;
    let read = |(index, raw): (usize, &Raw<'_>)| {
        read_task(raw, payload_bytes).map_err(|error| error.at(index))
    };
    finish(
        items
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?,
    )
}

fn finish(tasks: Vec<proto::TaskSpec>) -> Result<Vec<proto::TaskSpec>, SpecError> {
    let bytes = tasks.iter().map(prost::Message::encoded_len).sum();
    check_batch(tasks.len(), bytes)?;
    Ok(tasks)
}

fn read_task(raw: Raw<'_>, payload_bytes: usize) -> Result<proto::TaskSpec, SpecError> {
    let mut task = proto::TaskSpec::default();
    let members = value::members(raw).map_err(whole)?;
    for (name, raw) in &members {
        read_field(&mut task, name, raw)?;
    }
    if !members.iter().any(|(name, _)| name == "group") {
        return Err(SpecError::new("group", Flaw::Missing));
    }
    validate_within(&task, payload_bytes)?;
    Ok(task)
}

/// Puts one field into the spec. `null` stands for a field that is absent, but for the payload,
/// where it is a value like any other.
fn read_field(task: &mut proto::TaskSpec, name: &str, raw: Raw<'_>) -> Result<(), SpecError> {
    use value::{integer, micros, text, texts};

    let known = FIELDS.contains(&name);
    if raw.get() == "null" && known && name != "payload" {
        return Ok(());
    }
    let read = match name {
        "group" => text(raw).map(|v| task.group = v),
        "argv" => texts(raw).and_then(|v| match v.is_empty() {
            true => Err(Flaw::Empty),
            false => {
                task.argv = v;
                Ok(())
            }
        }),
        "payload" => value::payload(raw).map(|v| task.payload = Some(v)),
        "priority" => integer(raw, limits::PRIORITY_MIN, limits::PRIORITY_MAX)
            .map(|v| task.priority = Some(v)),
        "tags" => texts(raw).map(|v| task.tags = v),
        "meta" => {
            task.meta = json::compact(raw.get());
            Ok(())
        }
        "dedup_key" => text(raw).map(|v| task.dedup_key = Some(v)),
        "max_attempts" => {
            integer(raw, 1, limits::ATTEMPTS_MAX).map(|v| task.max_attempts = Some(v))
        }
        "backoff" => {
            let backoff = value::backoff(raw);
            let placed = |(place, flaw)| SpecError::new(format!("backoff{place}"), flaw);
            task.backoff = Some(backoff.map_err(placed)?);
            Ok(())
        }
        "max_lost" => integer(raw, 0, limits::ATTEMPTS_MAX).map(|v| task.max_lost = Some(v)),
        "timeout" => micros(raw).map(|v| task.timeout_us = Some(v)),
        "delay" => micros(raw).map(|v| task.delay_us = Some(v)),
        "run_at" => value::time(raw).map(|v| task.run_at_us = Some(v)),
        "expires_in" => micros(raw).map(|v| task.expires_in_us = Some(v)),
        "affinity" => texts(raw).map(|v| task.affinity = v),
        "count" => integer(raw, 1, limits::COUNT_MAX).map(|v| task.count = Some(v)),
        "output" => value::output_mode(raw).map(|v| task.output = v),
        "env" => value::variables(raw).map(|v| task.env = v),
        "env_secret" => value::secrets(raw).map(|v| task.env_secret = v),
        other => Err(Flaw::Unknown {
            nearest: nearest(other, FIELDS),
        }),
    };
    read.map_err(|flaw| SpecError::new(super::error::shorten(name), flaw))
}

/// The document's text as a value.
fn raw(text: &str) -> Result<&RawValue, SpecError> {
    serde_json::from_str(text).map_err(|error| {
        let reason = error.to_string();
        whole(JsonError::Malformed { reason })
    })
}

fn whole(flaw: impl Into<Flaw>) -> SpecError {
    SpecError::new("", flaw)
}

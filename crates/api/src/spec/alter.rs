//! Specs that differ from one that was read before in a few fields only, such as those of the
//! elements of a list: nothing is written as JSON and read again for each of them.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::check::validate_within;
use crate::limits::JSON_DEPTH;
use crate::proto;

/// What [`super::parse_task`] reads when `fields` are members of the document that `base` was read
/// from. Any of `argv`, `payload`, `tags`, `meta`, `affinity` and `env` may be altered.
///
/// `None` when the whole document has to be read, which is the way to learn what is wrong with it.
pub fn alter(
    base: &proto::TaskSpec,
    fields: Map<String, Value>,
    payload_bytes: usize,
) -> Option<proto::TaskSpec> {
    let mut spec = base.clone();
    for (name, value) in fields {
        if depth(&value) >= JSON_DEPTH {
            return None;
        }
        match (name.as_str(), value) {
            ("argv", value) => spec.argv = texts(value).filter(|argv| !argv.is_empty())?,
            ("tags", value) => spec.tags = texts(value)?,
            ("affinity", value) => spec.affinity = texts(value)?,
            ("env", value) => spec.env = variables(value)?,
            ("payload", Value::String(text)) => spec.payload = Some(Bytes::from(text)),
            ("payload", value) => spec.payload = Some(Bytes::from(value.to_string())),
            ("meta", Value::Null) => {}
            ("meta", value) => spec.meta = value.to_string(),
            _ => return None,
        }
    }
    validate_within(&spec, payload_bytes).ok()?;
    Some(spec)
}

/// How many lists and objects are within each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn texts(value: Value) -> Option<Vec<String>> {
    let Value::Array(items) = value else {
        return None;
    };
    items.into_iter().map(text).collect()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Variables in the order of their names.
fn variables(value: Value) -> Option<Vec<proto::Variable>> {
    let Value::Object(members) = value else {
        return None;
    };
    let variable = |(name, value)| {
        let value = text(value)?;
        Some(proto::Variable { name, value })
    };
    let mut variables: Vec<_> = members.into_iter().map(variable).collect::<Option<_>>()?;
    variables.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Some(variables)
}

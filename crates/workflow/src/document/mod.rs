//! Documents as trees that remember where each value stood. YAML and JSON give the same tree.
//!
//! Nothing here knows what a workflow is.

mod json;
mod path;
mod yaml;

pub(crate) use path::Path;

use std::collections::BTreeSet;

use serde_json::{Number, Value};

use crate::limits;
use crate::refusal::Reason;

/// A place in a text: line and column from 1, the column in characters. Line 0 is no place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    /// The line, from 1; 0 when the document was never a text.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
}

/// A value and where it begins.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// A member of a map.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

/// Why a text is no document, and where.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Unreadable {
    pub(crate) place: Place,
    pub(crate) reason: Reason,
}

/// Reads a text as JSON when it is JSON, else as YAML.
pub(crate) fn read(text: &str) -> Result<Node, Unreadable> {
    if text.len() > limits::DEFINITION_BYTES {
        let reason = Reason::TooLarge {
            limit: limits::DEFINITION_BYTES,
            got: text.len(),
            unit: "bytes",
        };
        let place = Place::default();
        return Err(Unreadable { place, reason });
    }
    // JSON would be YAML, too, but for pairs of surrogates in its escapes.
    if text.trim_start().starts_with('{')
        && let Some(document) = json::read(text)
    {
        return document;
    }
    yaml::read(text)
}

/// Whether a map does not have a key yet. `seen` is used once the map is large.
fn is_new(key: &str, members: &[Member], seen: &mut BTreeSet<String>) -> bool {
    /// Up to here, looking through a map is faster than keeping a set beside it.
    const SMALL: usize = 16;
    if members.len() < SMALL {
        return members.iter().all(|member| member.key != key);
    }
    if seen.is_empty() {
        seen.extend(members.iter().map(|member| member.key.clone()));
    }
    seen.insert(key.to_owned())
}

impl Node {
    /// The tree of a value that was never a text.
    pub(crate) fn from_json(value: &Value) -> Node {
        let place = Place::default();
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(*value),
            Value::Number(number) => Content::Number(number.clone()),
            Value::String(text) => Content::Text(text.clone()),
            Value::Array(items) => Content::List(items.iter().map(Node::from_json).collect()),
            Value::Object(members) => {
                let member = |(key, value): (&String, &Value)| Member {
                    key: key.clone(),
                    place,
                    value: Node::from_json(value),
                };
                Content::Map(members.iter().map(member).collect())
            }
        };
        Node { place, content }
    }

    /// The value without its places.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Content::Map(members) => {
                let member = |member: &Member| (member.key.clone(), member.value.to_json());
                Value::Object(members.iter().map(member).collect())
            }
        }
    }
}

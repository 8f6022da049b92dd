//! JSON with the places of its values: every value is taken as a slice of the text, and where the
//! slice begins is where the value stood.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use capataz_api::limits::JSON_DEPTH;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Content, Member, Node, Place, Unreadable, is_new};
use crate::refusal::Reason;

/// Reads a text; none when it is not JSON at all.
pub(super) fn read(text: &str) -> Option<Result<Node, Unreadable>> {
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    let lines = text
        .match_indices('\n')
        .map(|(at, _)| at + 1)
        .collect::<Vec<_>>();
    Some(Reader { text, lines }.node(raw, 0))
}

struct Reader<'a> {
    text: &'a str,
    /// Where each line but the first begins.
    lines: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn node(&self, raw: &'a RawValue, depth: usize) -> Result<Node, Unreadable> {
        let place = self.place(raw.get());
        let refuse = |reason| Unreadable { place, reason };
        if depth > JSON_DEPTH {
            return Err(refuse(Reason::TooDeep { limit: JSON_DEPTH }));
        }
        let malformed = |error: serde_json::Error| {
            refuse(Reason::Syntax {
                message: error.to_string(),
            })
        };
        let content = match raw.get().as_bytes().first() {
            Some(b'{') => Content::Map(self.members(raw, depth)?),
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(malformed)?;
                let nodes = items.into_iter().map(|item| self.node(item, depth + 1));
                Content::List(nodes.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Content::Text(serde_json::from_str(raw.get()).map_err(malformed)?),
            Some(b't' | b'f') => Content::Bool(raw.get() == "true"),
            Some(b'n') => Content::Null,
            _ => Content::Number(serde_json::from_str(raw.get()).map_err(malformed)?),
        };
        Ok(Node { place, content })
    }

    fn members(&self, raw: &'a RawValue, depth: usize) -> Result<Vec<Member>, Unreadable> {
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        let pairs = deserializer.deserialize_map(Pairs).map_err(|error| {
            let message = error.to_string();
            Unreadable {
                place: self.place(raw.get()),
                reason: Reason::Syntax { message },
            }
        })?;
        let mut seen = BTreeSet::new();
        let mut members: Vec<Member> = Vec::with_capacity(pairs.len());
        for (key, raw) in pairs {
            let value = self.node(raw, depth + 1)?;
            let (key, place) = (key.into_owned(), value.place);
            if !is_new(&key, &members, &mut seen) {
                let reason = Reason::DuplicateKey { key };
                return Err(Unreadable { place, reason });
            }
            members.push(Member { key, place, value });
        }
        Ok(members)
    }

    /// Where a slice of the text begins.
    fn place(&self, slice: &str) -> Place {
        let offset = slice.as_ptr() as usize - self.text.as_ptr() as usize;
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).map_or(0, |line| self.lines[line]);
        let column = self.text[start..offset].chars().count() + 1;
        Place {
            line: line as u32 + 1,
            column: column as u32,
        }
    }
}

/// The members of an object in their order, each value a slice of the text.
struct Pairs;

/// A key, borrowed from the document unless it has escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            pairs.push((key, value));
        }
        Ok(pairs)
    }
}

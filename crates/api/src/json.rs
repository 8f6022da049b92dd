//! What must hold of a JSON document before anything in it is looked at. A parser alone would take
//! the last of two equal keys without a word, and only complain of its own recursion limit.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits::JSON_DEPTH;

/// Why a text is not taken as a JSON document.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JsonError {
    /// JSON is UTF-8.
    #[error("the body is not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// The first byte that is not.
        offset: usize,
    },
    /// Arrays and objects in each other, too many.
    #[error("the JSON is nested deeper than {JSON_DEPTH}, at byte {offset}")]
    TooDeep {
        /// The bracket that is one too many.
        offset: usize,
    },
    /// Not JSON, or an object with a key twice.
    #[error("{reason}")]
    Malformed {
        /// What is wrong, and where.
        reason: String,
    },
}

/// The text of a well-formed document: UTF-8, not too deep, no key twice in an object.
pub(crate) fn check(body: &[u8]) -> Result<&str, JsonError> {
    let text = std::str::from_utf8(body).map_err(|error| JsonError::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    check_depth(text)?;
    serde_json::from_str::<Unique>(text).map_err(|error| JsonError::Malformed {
        reason: error.to_string(),
    })?;
    Ok(text)
}

/// Refuses nesting beyond [`JSON_DEPTH`] without parsing, so that no parser recurses that deep.
pub(crate) fn check_depth(text: &str) -> Result<(), JsonError> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > JSON_DEPTH {
                    return Err(JsonError::TooDeep { offset });
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// A well-formed document without the white space between its tokens. Numbers and texts stay as
/// they were spelled.
pub(crate) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            ' ' | '\t' | '\n' | '\r' if !in_string => continue,
            _ => {}
        }
        out.push(c);
    }
    out
}

/// Visits a whole document and keeps nothing of it.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique, D::Error> {
        deserializer.deserialize_any(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut seen = HashSet::new();
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format_args!(
                    "the key {key:?} comes twice"
                )));
            }
            seen.insert(key);
            map.next_value::<Unique>()?;
        }
        Ok(Unique)
    }
}

/// A key, borrowed from the document unless it has escapes.
#[derive(serde::Deserialize)]
pub(crate) struct Key<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_texts() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(check(nested(JSON_DEPTH).as_bytes()).is_ok());
        assert_eq!(
            check(nested(JSON_DEPTH + 1).as_bytes()),
            Err(JsonError::TooDeep { offset: JSON_DEPTH })
        );
        let brackets = format!("\"\\\"{}\"", "[".repeat(100));
        assert!(check(brackets.as_bytes()).is_ok());
        assert!(check("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn a_key_comes_once_in_an_object() {
        assert!(check(br#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#).is_ok());
        let twice = check(br#"{"b":[{"a":1,"\u0061":2}]}"#);
        assert!(
            matches!(&twice, Err(JsonError::Malformed { reason }) if reason.contains("\"a\"")),
            "{twice:?}"
        );
    }

    #[test]
    fn only_json_is_json() {
        for bad in [
            &b""[..],
            b"{",
            b"nul",
            b"[1,]",
            b"1 2",
            b"\"\xff\"",
            b"\"\\ud800\"",
        ] {
            assert!(check(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn compacting_keeps_spelling() {
        assert_eq!(
            compact("{ \"a b\" : [ 1.50 , \"x \\\" y\" ] }\n"),
            "{\"a b\":[1.50,\"x \\\" y\"]}"
        );
    }
}

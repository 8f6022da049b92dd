//! Reading the body of a request, with a refusal that says what is wrong with it.

use std::collections::BTreeMap;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, IgnoredAny, Visitor};
use serde::forward_to_deserialize_any;

use crate::json;
use crate::problem::{Code, Problem};
use crate::spec::{Flaw, SpecError, nearest, shorten};

/// A request's body.
pub trait Body: DeserializeOwned {
    /// Checks what its types cannot express.
    fn check(&self) -> Result<(), SpecError> {
        Ok(())
    }
}

/// Reads a field for which `null` is a value, and not the same as its absence: to be named in
/// `deserialize_with`, beside `default`.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a body. An empty one stands for an object without members.
pub fn parse_body<T: Body>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.trim_ascii().is_empty() {
        b"{}"
    } else {
        body
    };
    let text = json::check(body)?;
    if !text.trim_start().starts_with('{') {
        let detail = format!("the body must be an object, got {}", shorten(text));
        return Err(Problem::new(Code::InvalidField, detail));
    }
    refuse_unknown::<T>(text)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let problem = Problem::new(Code::InvalidField, error.into_inner().to_string());
        if path == "." {
            problem
        } else {
            problem.field(path)
        }
    })?;
    value.check()?;
    Ok(value)
}

/// Refuses members that the type has no field for.
fn refuse_unknown<T: Body>(text: &str) -> Result<(), Problem> {
    let known = field_names::<T>();
    let members = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text);
    let members = members.expect("an object that was checked is an object");
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(unknown(name, known).into()),
    }
}

/// The refusal of a name that is not among those known.
pub(super) fn unknown(name: &str, known: &[&'static str]) -> SpecError {
    let nearest = nearest(name, known);
    SpecError::new(shorten(name), Flaw::Unknown { nearest })
}

/// The names of a struct's fields, as its derived reader asks for them.
fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // The reading itself always fails: all that is wanted is what it asks for.
    let _ = T::deserialize(NamesOnly(&mut names));
    names
}

struct NamesOnly<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for NamesOnly<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("there is no value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::{GroupPatch, LeaseRequest, NoBody};

    fn refusal<T: Body>(body: &str) -> (Option<Code>, Option<String>, Option<String>) {
        match parse_body::<T>(body.as_bytes()) {
            Ok(_) => panic!("{body} was accepted"),
            Err(problem) => {
                let kind = problem.kind();
                let document = problem.into_document();
                (kind, document.field, document.hint)
            }
        }
    }

    #[test]
    fn no_body_is_an_empty_object() {
        assert!(parse_body::<NoBody>(b"").is_ok());
        assert!(parse_body::<NoBody>(b" {} ").is_ok());
        assert!(parse_body::<NoBody>(b"[]").is_err());
    }

    #[test]
    fn unknown_fields_are_named_with_the_nearest_known_one() {
        let (code, field, hint) = refusal::<GroupPatch>(r#"{"max_runing":1}"#);
        assert_eq!(code, Some(Code::UnknownField));
        assert_eq!(field.as_deref(), Some("max_runing"));
        assert_eq!(hint.as_deref(), Some("did you mean `max_running`?"));
        assert_eq!(refusal::<NoBody>(r#"{"x":1}"#).0, Some(Code::UnknownField));
    }

    #[test]
    fn a_wrong_type_is_named_by_its_path() {
        let (code, field, _) = refusal::<LeaseRequest>(r#"{"worker":"w","groups":["a",1]}"#);
        assert_eq!(code, Some(Code::InvalidField));
        assert_eq!(field.as_deref(), Some("groups[1]"));
        let (code, field, _) = refusal::<GroupPatch>(r#"{"max_running":-1}"#);
        assert_eq!(code, Some(Code::InvalidField));
        assert_eq!(field.as_deref(), Some("max_running"));
    }
}

//! Bytes that are mostly text.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

/// The only member of the object that stands for bytes which are no text.
const MEMBER: &str = "base64";

/// Payloads, outputs and logs: in JSON a text, or `{"base64": "..."}` when they are not UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Blob(pub Bytes);

impl Blob {
    /// The bytes as a text, when they are one.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The bytes as a JSON value.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a text or an object of one text is always JSON")
    }
}

impl<T: Into<Bytes>> From<T> for Blob {
    fn from(bytes: T) -> Blob {
        Blob(bytes.into())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_text() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_map([(MEMBER, STANDARD.encode(&self.0))]),
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
        struct TextOrObject;

        impl<'de> Visitor<'de> for TextOrObject {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or {\"base64\": \"...\"}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Blob, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Blob, E> {
                Ok(Blob(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Blob, A::Error> {
                let (name, text): (String, String) = map
                    .next_entry()?
                    .ok_or_else(|| A::Error::missing_field(MEMBER))?;
                if name != MEMBER {
                    return Err(A::Error::unknown_field(&name, &[MEMBER]));
                }
                if let Some((more, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                    return Err(A::Error::unknown_field(&more, &[MEMBER]));
                }
                let bytes = STANDARD.decode(text).map_err(A::Error::custom)?;
                Ok(Blob(bytes.into()))
            }
        }

        deserializer.deserialize_any(TextOrObject)
    }
}

impl utoipa::PartialSchema for Blob {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .property(MEMBER, text())
            .required(MEMBER);
        let either = OneOfBuilder::new().item(text()).item(object);
        let described = either.description(Some("A text, or base64 when it is not UTF-8."));
        Schema::OneOf(described.build()).into()
    }
}

impl utoipa::ToSchema for Blob {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_other_bytes_are_encoded() {
        for bytes in [&b""[..], b"hello \xc3\xa9", b"\xff\x00\x01"] {
            let blob = Blob::from(bytes);
            let back: Blob = serde_json::from_value(blob.to_value()).expect("its own JSON");
            assert_eq!(back, blob);
        }
        assert_eq!(Blob::from("x").to_value(), "x");
        assert_eq!(Blob::from(&b"\xff"[..]).to_value()["base64"], "/w==");
    }

    #[test]
    fn other_shapes_are_refused() {
        for bad in [
            "1",
            "{}",
            "{\"base64\":\"*\"}",
            "{\"text\":\"\"}",
            "{\"base64\":\"\",\"a\":1}",
        ] {
            assert!(
                serde_json::from_str::<Blob>(bad).is_err(),
                "{bad} was accepted"
            );
        }
    }
}

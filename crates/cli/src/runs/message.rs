//! The message that a run begins with, as a command line or a file has it.

use std::path::Path;

use serde_json::Value;

use super::definition::{FileError, read};

/// What is JSON is taken as JSON, anything else is a text. What begins as lists, maps and quoted
/// texts do must be JSON: a document that was cut off is no text that anybody means.
pub(crate) fn of_text(text: &str) -> Result<Value, serde_json::Error> {
    match serde_json::from_str(text) {
        Err(error) if text.trim_start().starts_with(['{', '[', '"']) => Err(error),
        Err(_) => Ok(Value::from(text)),
        Ok(value) => Ok(value),
    }
}

/// The message in a file.
pub(crate) fn of_file(file: &Path) -> Result<Value, FileError> {
    of_text(&read(file)?).map_err(|cause| FileError::NotJson {
        path: file.to_owned(),
        expected: "a message in JSON, or a text",
        cause,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_taken_as_json_and_anything_else_as_a_text() {
        for (text, message) in [
            (r#"{"id": 7}"#, json!({"id": 7})),
            ("[1]", json!([1])),
            ("42", json!(42)),
            (r#""42""#, json!("42")),
            ("null", Value::Null),
            ("order 42", json!("order 42")),
            ("a: b\n", json!("a: b\n")),
            ("", json!("")),
        ] {
            assert_eq!(of_text(text).ok(), Some(message), "{text}");
        }
    }

    #[test]
    fn what_begins_as_json_must_be_json() {
        for text in [r#"{"id": 7"#, " [1", r#""a"#, "{a: b}"] {
            assert!(of_text(text).is_err(), "{text}");
        }
    }
}

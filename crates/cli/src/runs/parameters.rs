//! Parameters of a run, as a command line has them.

use std::path::Path;

use serde_json::{Map, Value};

use super::definition::{FileError, read};
use crate::failure::Told;

/// A `--param` as it was typed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    /// `NAME=TEXT`: becomes what the workflow says that the parameter is.
    Text(String, String),
    /// `NAME:=JSON`
    Json(String, Value),
}

/// A `--param` of another form.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GivenError {
    #[error("expected NAME=VALUE or NAME:=JSON")]
    NoValue,
    #[error("the value of {name:?} is no JSON: {cause}")]
    NotJson {
        name: String,
        cause: serde_json::Error,
    },
}

impl Told for GivenError {}

impl std::str::FromStr for Given {
    type Err = GivenError;

    fn from_str(text: &str) -> Result<Given, GivenError> {
        let (name, value) = text.split_once('=').ok_or(GivenError::NoValue)?;
        match name.strip_suffix(':') {
            _ if name.is_empty() || name == ":" => Err(GivenError::NoValue),
            None => Ok(Given::Text(name.to_owned(), value.to_owned())),
            Some(name) => match serde_json::from_str(value) {
                Ok(value) => Ok(Given::Json(name.to_owned(), value)),
                Err(cause) => {
                    let name = name.to_owned();
                    Err(GivenError::NotJson { name, cause })
                }
            },
        }
    }
}

/// The parameters of a file, which is one JSON object.
pub(crate) fn of_file(file: &Path) -> Result<Map<String, Value>, FileError> {
    let object = serde_json::from_str(&read(file)?);
    object.map_err(|cause| FileError::NotJson {
        path: file.to_owned(),
        expected: "a JSON object with the parameters by name",
        cause,
    })
}

/// Lays what was typed over `parameters`. Texts become the type that the definition names; one that
/// does not look like it stays a text, and is refused with the workflow's own words.
pub(crate) fn lay_over(
    parameters: &mut Map<String, Value>,
    given: Vec<Given>,
    definition: Option<&Value>,
) {
    let kind = |name: &str| {
        let kind = definition?.get("parameters")?.get(name)?.get("type")?;
        kind.as_str()
    };
    for given in given {
        match given {
            Given::Text(name, text) => {
                let value = typed(text, kind(&name));
                parameters.insert(name, value);
            }
            Given::Json(name, value) => {
                parameters.insert(name, value);
            }
        }
    }
}

fn typed(text: String, kind: Option<&str>) -> Value {
    let fits = |value: &Value| match kind {
        Some("integer" | "number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("list") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    };
    let value = serde_json::from_str(&text).ok().filter(fits);
    value.unwrap_or(Value::String(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(texts: &[&str]) -> Value {
        let definition = json!({"parameters": {
            "day": {"type": "string"}, "n": {"type": "integer"}, "fast": {"type": "boolean"},
            "files": {"type": "list"},
        }});
        let given = texts.iter().map(|text| text.parse().unwrap()).collect();
        let mut parameters = Map::new();
        parameters.insert("n".to_owned(), json!(1));
        lay_over(&mut parameters, given, Some(&definition));
        Value::Object(parameters)
    }

    #[test]
    fn a_text_becomes_what_the_workflow_asks_for() {
        let all = given(&["day=2026", "n=12", "fast=true", "files=[\"a=b\"]"]);
        let expected = json!({"day": "2026", "n": 12, "fast": true, "files": ["a=b"]});
        assert_eq!(all, expected);
    }

    #[test]
    fn what_does_not_fit_stays_a_text_to_be_refused_by_the_server() {
        assert_eq!(given(&["n=twelve"]), json!({"n": "twelve"}));
        assert_eq!(given(&["other=1"]), json!({"n": 1, "other": "1"}));
    }

    #[test]
    fn json_is_taken_as_it_is() {
        assert_eq!(
            given(&["n:=[1, 2]", "day=:=3"]),
            json!({"n": [1, 2], "day": ":=3"})
        );
        for bad in ["n", "=1", ":=1", "n:=[1"] {
            assert!(bad.parse::<Given>().is_err(), "{bad}");
        }
    }
}

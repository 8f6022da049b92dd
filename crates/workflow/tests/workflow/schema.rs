//! The published schema is the one that this crate makes, and takes what this crate takes.

use std::path::Path;

use capataz_workflow::schema;
use serde_json::{Value, json};

use super::parsed;

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the schema lies beside this crate"
)]
fn the_published_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("../../docs/reference/workflow.schema.json");
    let current = serde_json::to_string_pretty(&schema()).expect("a schema is JSON") + "\n";
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    if published != current {
        std::fs::write(&path, &current).expect("the schema is written");
        panic!("docs/reference/workflow.schema.json was not current; it is now");
    }
}

#[test]
fn it_takes_what_is_good() {
    for text in [
        super::shape::ETL,
        super::evaluating::TEXT,
        super::hostile::GOOD,
    ] {
        check(&parsed(text).to_json()).unwrap();
    }
    // What is short in a text and long in the canonical document.
    check(&json!({
        "name": "w",
        "steps": [
            { "id": "a", "noop": true, "when": true },
            { "id": "b", "group": "g", "after": "a", "timeout": "1m", "backoff": 3 },
            { "id": "c", "group": "g", "after": ["a", { "step": "b", "on": "any" }], "when": null }
        ]
    }))
    .unwrap();
}

#[test]
fn it_refuses_what_is_not() {
    let with_step = |step: Value| json!({ "name": "w", "steps": [step] });
    for (document, place) in [
        (json!({ "name": "w" }), ""),
        (json!({ "name": "w", "steps": [] }), ".steps"),
        (json!({ "name": "", "steps": [{ "id": "a" }] }), ".name"),
        (
            json!({ "name": "w", "steps": [{ "id": "a" }], "step": 1 }),
            ".step",
        ),
        (
            with_step(json!({ "id": "a", "argv": [] })),
            ".steps[0].argv",
        ),
        (
            with_step(json!({ "id": "a", "after": [{ "on": "any" }] })),
            ".steps[0].after",
        ),
        (
            with_step(json!({ "id": "a", "join": "both" })),
            ".steps[0].join",
        ),
        (
            with_step(json!({ "id": "a", "priority": 10 })),
            ".steps[0].priority",
        ),
        (
            with_step(json!({ "id": "a", "for_each": 3 })),
            ".steps[0].for_each",
        ),
        (
            json!({ "name": "w", "steps": [{ "id": "a" }], "defaults": { "argv": ["x"] } }),
            ".defaults.argv",
        ),
        (
            json!({ "name": "w", "steps": [{ "id": "a" }], "parameters": { "p": { "type": "int" } } }),
            ".parameters.p.type",
        ),
    ] {
        assert_eq!(check(&document), Err(place.to_owned()), "{document}");
    }
}

/// Checks a document against the schema: where it does not fit.
fn check(document: &Value) -> Result<(), String> {
    let schema = schema();
    fits(&schema, &schema, document).map_err(|mut way| {
        way.reverse();
        way.concat()
    })
}

/// Whether a value fits a schema of the words that ours uses; else the way to the place that does
/// not, innermost part first.
fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), Vec<String>> {
    let ok = |fits: bool| if fits { Ok(()) } else { Err(Vec::new()) };
    let Value::Object(words) = schema else {
        return ok(schema != &json!(false));
    };
    for (word, of) in words {
        match word.as_str() {
            "$ref" => {
                let target = of.as_str().and_then(|path| root.pointer(&path[1..]));
                fits(root, target.expect("a definition"), value)?;
            }
            "anyOf" | "oneOf" => {
                let mut any = of.as_array().expect("schemas").iter();
                ok(any.any(|schema| fits(root, schema, value).is_ok()))?;
            }
            "enum" => ok(of.as_array().expect("values").contains(value))?,
            "const" => ok(of == value)?,
            "type" => {
                let single = std::slice::from_ref(of);
                let mut kinds = of.as_array().map_or(single, Vec::as_slice).iter();
                ok(kinds.any(|kind| is(kind, value)))?;
            }
            "minimum" => ok(value.as_f64() >= of.as_f64() || !value.is_number())?,
            "maximum" => ok(value.as_f64() <= of.as_f64() || !value.is_number())?,
            "minLength" => ok(value
                .as_str()
                .is_none_or(|t| t.len() as u64 >= of.as_u64().unwrap()))?,
            "maxLength" => ok(value
                .as_str()
                .is_none_or(|t| t.len() as u64 <= of.as_u64().unwrap()))?,
            "minItems" => ok(value
                .as_array()
                .is_none_or(|l| l.len() as u64 >= of.as_u64().unwrap()))?,
            "maxItems" => ok(value
                .as_array()
                .is_none_or(|l| l.len() as u64 <= of.as_u64().unwrap()))?,
            "required" => {
                let mut names = of.as_array().expect("names").iter();
                ok(names.all(|name| {
                    value.get(name.as_str().unwrap()).is_some() || !value.is_object()
                }))?;
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    fits(root, of, item).map_err(|way| with(way, format!("[{index}]")))?;
                }
            }
            "properties" | "additionalProperties" => {
                let known = &words.get("properties").unwrap_or(&Value::Null);
                for (name, member) in value.as_object().into_iter().flatten() {
                    let schema = match (word.as_str(), known.get(name)) {
                        ("properties", Some(schema)) => schema,
                        ("additionalProperties", None) => of,
                        _ => continue,
                    };
                    fits(root, schema, member).map_err(|way| with(way, format!(".{name}")))?;
                }
            }
            "$schema" | "$defs" | "title" | "description" | "examples" | "default" => {}
            other => panic!("the test does not know the word {other:?}"),
        }
    }
    Ok(())
}

fn with(mut way: Vec<String>, part: String) -> Vec<String> {
    way.push(part);
    way
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("the test does not know the type {other:?}"),
    }
}

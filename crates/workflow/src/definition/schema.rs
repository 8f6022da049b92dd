//! The JSON Schema of a definition, for editors and other programs. What it cannot say (names that
//! must exist, graphs without cycles, expressions) is checked by [`crate::Workflow::parse`].

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::model::Definition;
use super::step::After;

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Definition>().to_value();
    tidy(&mut schema);
    let defaults = &mut schema["$defs"]["TaskFields"];
    defaults["additionalProperties"] = false.into();
    if let Some(properties) = defaults["properties"].as_object_mut() {
        properties.retain(|name, _| !matches!(name.as_str(), "argv" | "payload"));
    }
    schema
}

/// Takes out what only Rust knows, and the line breaks of its comments.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|name, value| !(name == "format" && value.is_string()));
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            members.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// An expression. `true` and `false` need no quotes.
pub(super) fn expression(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "boolean", "null"] })
}

/// A duration.
pub(super) fn span(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number", "null"], "minimum": 0, "examples": ["1m 30s", 90] })
}

/// A task's backoff.
pub(super) fn backoff(generator: &mut SchemaGenerator) -> Schema {
    let span = span(generator);
    json_schema!({
        "anyOf": [
            span,
            {
                "type": "object",
                "properties": {
                    "initial": span,
                    "factor": { "type": "number", "minimum": 1, "maximum": 100 },
                    "max": span,
                    "jitter": { "type": "number", "minimum": 0, "maximum": 1 }
                },
                "additionalProperties": false
            },
        ]
    })
}

/// Variables and their secrets.
pub(super) fn secrets(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "object", "additionalProperties": { "type": "string" } },
            { "type": ["array", "null"], "items": { "type": "string" } }
        ]
    })
}

/// What counts as an output.
pub(super) fn output(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["file", "stdout", "none", null] })
}

/// The steps before: ids, edges, or a list of both.
pub(super) fn after(generator: &mut SchemaGenerator) -> Schema {
    let edge = json_schema!({ "anyOf": [
        { "type": "string" },
        generator.subschema_for::<After>()
    ] });
    json_schema!({ "anyOf": [edge, { "type": ["array", "null"], "items": edge }] })
}

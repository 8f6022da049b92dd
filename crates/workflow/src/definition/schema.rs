//! The JSON Schema of a definition, for editors and other programs. What it cannot say (names that
//! must exist, graphs without cycles, expressions) is checked by [`crate::Workflow::parse`].

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::model::Definition;
use super::step::After;

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut generator = settings.into_generator();
    // Left to itself, the generator would describe what is written and forbid what is only read.
    generator.root_schema_for::<Definition>().to_value()
}

/// A duration.
pub(super) fn span(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "examples": ["1m 30s"] },
            { "type": "number", "minimum": 0 }
        ]
    })
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
            }
        ]
    })
}

/// Variables and their secrets.
pub(super) fn secrets(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "object", "additionalProperties": { "type": "string" } },
            { "type": "array", "items": { "type": "string" } }
        ]
    })
}

/// What counts as an output.
pub(super) fn output(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["file", "stdout", "none"] })
}

/// The steps before: ids, edges, or a list of both.
pub(super) fn after(generator: &mut SchemaGenerator) -> Schema {
    let edge = json_schema!({ "anyOf": [
        { "type": "string" },
        generator.subschema_for::<After>()
    ] });
    json_schema!({ "anyOf": [edge, { "type": "array", "items": edge }] })
}

//! Writes YAML. Reading it is the business of `capataz-workflow`.

use std::fmt::Write;

use serde_json::Value;

/// A value in block style. Texts that could be taken for something else, or that have more than one
/// line, are quoted as in JSON, which every reader of YAML understands.
pub(crate) fn block(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => members(&mut text, map, 0),
        Value::Array(list) if !list.is_empty() => elements(&mut text, list, 0),
        scalar => {
            text.push_str(&flow(scalar));
            text.push('\n');
        }
    }
    text
}

fn members(text: &mut String, map: &serde_json::Map<String, Value>, depth: usize) {
    for (place, (name, value)) in map.iter().enumerate() {
        if place > 0 {
            indent(text, depth);
        }
        text.push_str(&plain_or_quoted(name));
        text.push(':');
        below(text, value, depth);
    }
}

fn elements(text: &mut String, list: &[Value], depth: usize) {
    for (place, value) in list.iter().enumerate() {
        if place > 0 {
            indent(text, depth);
        }
        text.push('-');
        match value {
            // The first member stands behind the dash, the others below it.
            Value::Object(map) if !map.is_empty() => {
                text.push(' ');
                members(text, map, depth + 1);
            }
            value => below(text, value, depth),
        }
    }
}

/// What stands behind a colon or a dash.
fn below(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            indent(text, depth + 1);
            members(text, map, depth + 1);
        }
        Value::Array(list) if list.iter().any(is_nested) => {
            text.push('\n');
            indent(text, depth + 1);
            elements(text, list, depth + 1);
        }
        value => {
            // Writing to a text cannot fail.
            let _ = writeln!(text, " {}", flow(value));
        }
    }
}

fn is_nested(value: &Value) -> bool {
    matches!(value, Value::Object(_) | Value::Array(_))
}

fn indent(text: &mut String, depth: usize) {
    text.push_str(&"  ".repeat(depth));
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => plain_or_quoted(text),
        Value::Array(list) => {
            let inner: Vec<String> = list.iter().map(flow).collect();
            format!("[{}]", inner.join(", "))
        }
        other => other.to_string(),
    }
}

/// Plain only where nothing at all could read it as more than a text: words that begin with a
/// letter and are no word of YAML itself.
fn plain_or_quoted(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let letters = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(letters)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    match plain {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_reads_as_one_would_write_it() {
        let definition = json!({
            "name": "etl",
            "steps": [
                {"id": "list", "argv": ["ls", "-l", "${params.day}"]},
                {"id": "load", "after": [{"step": "list", "on": "any"}], "noop": true},
            ],
        });
        let expected = "\
name: etl
steps:
  - id: list
    argv: [ls, \"-l\", \"${params.day}\"]
  - id: load
    after:
      - step: list
        \"on\": any
    noop: true
";
        assert_eq!(block(&definition), expected);
    }

    #[test]
    fn what_is_written_is_read_back_as_the_same_workflow() {
        let text = "
            name: odd
            parameters: { p: { type: object, default: { a: [1, [2, {}], {x: []}], b: \"no\" } } }
            defaults: { group: g, env: { A: \"1: 2 # 3\", B: \"\\n- x\" } }
            steps: [ { id: \"true\", payload: [] }, { id: \"- a\", after: \"true\", payload: {} } ]
        ";
        let workflow = capataz_workflow::Workflow::parse(text).unwrap();
        let written = block(&workflow.to_json());
        let again = capataz_workflow::Workflow::parse(&written).expect(&written);
        assert_eq!(again.to_json(), workflow.to_json(), "{written}");
    }

    #[test]
    fn a_value_that_is_no_map_is_one_line() {
        assert_eq!(block(&json!([])), "[]\n");
        assert_eq!(block(&json!("no")), "\"no\"\n");
    }
}

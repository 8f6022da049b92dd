//! What a run is given.

use serde_json::{Value, json};

use super::parsed;

const TEXT: &str = r#"
name: w
parameters:
  day: { type: string }
  n: { type: integer, default: 3, enum: [1, 2, 3] }
  share: { type: number, default: 0.5 }
  deep: { type: boolean, default: false }
  files: { type: list, default: [] }
  more: { type: object, default: {} }
steps: [{ id: a, noop: true }]
"#;

fn checked(given: Value) -> Result<Value, String> {
    let Value::Object(given) = given else {
        panic!("not an object: {given}")
    };
    let refusal = |refusal: capataz_workflow::ParameterRefusal| refusal.to_string();
    parsed(TEXT).parameters(&given).map_err(refusal)
}

#[test]
fn what_is_not_given_has_its_default() {
    assert_eq!(
        checked(json!({ "day": "x", "n": 2 })).map(|params| params.to_string()),
        Ok(r#"{"day":"x","n":2,"share":0.5,"deep":false,"files":[],"more":{}}"#.to_owned())
    );
}

#[test]
fn every_fault_is_named() {
    let given = json!({ "dya": "x", "n": 4, "share": "half", "deep": 1, "files": {}, "more": [1] });
    assert_eq!(
        checked(given).unwrap_err(),
        "there is no parameter \"dya\"; did you mean `day`?\n\
         the parameter \"day\" is required: a text\n\
         the parameter \"n\" must be one of 1, 2, 3, got 4\n\
         the parameter \"share\" must be a number, got \"half\"\n\
         the parameter \"deep\" must be true or false, got 1\n\
         the parameter \"files\" must be a list, got an object of 0\n\
         the parameter \"more\" must be an object, got a list of 1"
    );
    assert!(checked(json!({ "day": "x", "n": 1.5 })).is_err());
}

#[test]
fn a_run_carries_only_so_much() {
    let refusal = checked(json!({ "day": "x".repeat(300_000) })).unwrap_err();
    assert_eq!(
        refusal,
        "the parameters have 300062 bytes, the limit is 262144"
    );
}

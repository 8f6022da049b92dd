//! What is refused, and with which words.

use serde_json::json;

use super::*;

fn refusal(instance: &Value) -> String {
    imported(instance).expect_err("a refusal").to_string()
}

#[test]
fn what_is_no_json() {
    let error = wfformat("{\n  \"name\": nan }", &Options::default());
    assert_eq!(
        error.expect_err("a refusal").to_string(),
        "the file must be JSON: line 2, column 12: expected ident at line 2 column 12"
    );
}

#[test]
fn other_versions() {
    let mut instance = two();
    instance["schemaVersion"] = "1.3".into();
    let expected = "`schemaVersion` must be one of 1.4, 1.5, 1.6, got \"1.3\"";
    assert_eq!(refusal(&instance), expected);
    let expected = "`schemaVersion` must be one of 1.4, 1.5, 1.6, got nothing";
    assert_eq!(refusal(&json!([1])), expected);
}

#[test]
fn another_shape() {
    let mut instance = two();
    instance["workflow"]["specification"]["tasks"][1]["parents"] = json!(["a", 7]);
    assert_eq!(
        refusal(&instance),
        "`workflow.specification.tasks[1].parents[1]`: invalid type: integer `7`, expected a string"
    );
}

#[test]
fn a_plan_that_was_never_executed() {
    let mut instance = two();
    instance["workflow"]["execution"].take();
    let expected = "the file has no `workflow.execution`, which holds the runtimes to replay";
    assert_eq!(refusal(&instance), expected);
}

#[test]
fn a_task_that_was_never_executed() {
    let mut instance = two();
    instance["workflow"]["execution"]["tasks"][1]["id"] = "c".into();
    assert_eq!(refusal(&instance), "task \"b\" has no `runtimeInSeconds`");
}

#[test]
fn no_tasks() {
    let expected = "the file must have 1 to 100000 tasks, got 0";
    assert_eq!(refusal(&instance(&[])), expected);
}

#[test]
fn ids_that_come_twice() {
    let mut instance = two();
    instance["workflow"]["execution"]["tasks"][1]["id"] = "a".into();
    assert_eq!(refusal(&instance), "task \"a\" was executed twice");
    let mut instance = two();
    instance["workflow"]["specification"]["tasks"][1]["id"] = "a".into();
    assert_eq!(refusal(&instance), "two tasks have the id \"a\"");
}

#[test]
fn runtimes_that_are_none() {
    let mut instance = two();
    instance["workflow"]["execution"]["tasks"][1]["runtimeInSeconds"] = (-1.5).into();
    assert_eq!(
        refusal(&instance),
        "the runtime of task \"b\" must be a number of seconds of at least 0, got -1.5"
    );
    instance["workflow"]["execution"]["tasks"][1]["runtimeInSeconds"] = 1e300.into();
    assert!(matches!(
        imported(&instance),
        Err(ImportError::TooLong { .. })
    ));
}

#[test]
fn names_of_no_task() {
    let instance = instance(&[("merge_1", &[], &[], 1.0), ("b", &["merge_l"], &[], 1.0)]);
    let error = imported(&instance).expect_err("a refusal");
    assert_eq!(
        error.to_string(),
        "task \"b\" names the parent \"merge_l\", which is not a task of the file"
    );
    let hint = crate::failure::Told::hint(&error);
    assert_eq!(hint.as_deref(), Some("did you mean \"merge_1\"?"));
}

#[test]
fn names_of_several_tasks() {
    let task = |id: &str, parents: &[&str]| json!({ "id": id, "name": "same", "runtimeInSeconds": 1, "parents": parents });
    let instance = json!({
        "schemaVersion": "1.4",
        "workflow": { "tasks": [task("1", &[]), task("2", &[]), task("3", &["same"])] },
    });
    assert_eq!(
        refusal(&instance),
        "task \"3\" names the parent \"same\", which is the name of 3 tasks"
    );
}

#[test]
fn lists_that_contradict_each_other() {
    let parents_only = instance(&[
        ("a", &[], &["b"], 1.0),
        ("b", &["a"], &[], 1.0),
        ("c", &["a"], &[], 1.0),
    ]);
    assert_eq!(
        refusal(&parents_only),
        "task \"c\" names the parent \"a\", which does not name it back"
    );
    let children_only = instance(&[
        ("a", &[], &["b", "c"], 1.0),
        ("b", &["a"], &[], 1.0),
        ("c", &[], &[], 1.0),
    ]);
    assert_eq!(
        refusal(&children_only),
        "task \"a\" names the child \"c\", which does not name it back"
    );
}

#[test]
fn circles() {
    let circle = instance(&[
        ("a", &[], &[], 1.0),
        ("b", &["a", "d"], &[], 1.0),
        ("c", &["b"], &[], 1.0),
        ("d", &["c"], &[], 1.0),
        ("after", &["d"], &[], 1.0),
    ]);
    assert_eq!(
        refusal(&circle),
        "tasks come after each other in a circle: b -> c -> d -> b"
    );
    let itself = instance(&[("a", &["a"], &[], 1.0)]);
    assert_eq!(
        refusal(&itself),
        "tasks come after each other in a circle: a -> a"
    );
}

#[test]
fn scales_that_are_none() {
    for time_scale in [-0.1, f64::NAN, f64::INFINITY] {
        let options = Options {
            time_scale,
            ..Options::default()
        };
        let error = wfformat(&two().to_string(), &options).expect_err("a refusal");
        assert!(matches!(error, ImportError::TimeScale { .. }), "{error}");
    }
}

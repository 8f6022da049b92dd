//! Instances written by hand, and published ones where they are at hand.

mod published;
mod refusals;
mod replaying;

use serde_json::{Value, json};

use super::{ImportError, OneSided, Options, Replay, bound, wfformat};

/// An instance of version 1.5: of each task its id, parents, children and runtime.
fn instance(tasks: &[(&str, &[&str], &[&str], f64)]) -> Value {
    let specified = tasks.iter().map(|(id, parents, children, _)| {
        json!({ "name": id, "id": id, "parents": parents, "children": children })
    });
    let executed = tasks
        .iter()
        .map(|(id, _, _, runtime)| json!({ "id": id, "runtimeInSeconds": runtime }));
    json!({
        "name": "by hand",
        "schemaVersion": "1.5",
        "workflow": {
            "specification": { "tasks": specified.collect::<Vec<_>>() },
            "execution": { "tasks": executed.collect::<Vec<_>>() },
        },
    })
}

fn two() -> Value {
    instance(&[("a", &[], &["b"], 2.0), ("b", &["a"], &[], 3.5)])
}

fn imported(instance: &Value) -> Result<Value, ImportError> {
    wfformat(&instance.to_string(), &Options::default())
}

/// Of each step its id and those it comes after.
fn edges(definition: &Value) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let steps = definition["steps"].as_array().expect("steps").iter();
    let edges = steps.map(|step| {
        let after = step["after"].as_array().into_iter().flatten();
        (text(&step["id"]), after.map(text).collect())
    });
    edges.collect()
}

fn edge(id: &str, after: &[&str]) -> (String, Vec<String>) {
    let after = after.iter().map(|from| (*from).to_owned());
    (id.to_owned(), after.collect())
}

#[test]
fn a_task_becomes_a_step_that_takes_as_long() {
    let mut instance = two();
    instance["description"] = "Two tasks".into();
    let tasks = &mut instance["workflow"]["execution"]["tasks"];
    tasks[0]["command"] = json!({ "program": "blast${x}", "arguments": ["-v"] });
    tasks[1]["command"] = json!({ "program": "cat <<-END\n  a\nEND" });
    instance["workflow"]["specification"]["tasks"][1]["name"] = "second".into();
    let options = Options {
        time_scale: 0.1,
        group: "lab".to_owned(),
        ..Options::default()
    };
    let definition = wfformat(&instance.to_string(), &options);
    let expected = json!({
        "name": "by hand",
        "description": "Two tasks",
        "defaults": { "group": "lab" },
        "steps": [
            {
                "id": "a",
                "argv": ["sleep", "0.2"],
                "expected": 0.2,
                "tags": ["program:blast$${x}"],
                "meta": { "program": "blast$${x}", "runtime_s": 2.0, "replay_s": 0.2 },
            },
            {
                "id": "b",
                "after": ["a"],
                "argv": ["sleep", "0.35"],
                "expected": 0.35,
                "meta": {
                    "name": "second",
                    "program": "cat <<-END   a END",
                    "runtime_s": 3.5,
                    "replay_s": 0.35,
                },
            },
        ],
    });
    assert_eq!(definition, Ok(expected));
}

#[test]
fn one_kind_of_list_is_enough() {
    let by_children = instance(&[
        ("a", &[], &["b", "c"], 1.0),
        ("b", &[], &["c"], 1.0),
        ("c", &[], &[], 1.0),
    ]);
    let by_parents = instance(&[
        ("a", &[], &[], 1.0),
        ("b", &["a"], &[], 1.0),
        ("c", &["b", "a", "b"], &[], 1.0),
    ]);
    let expected = vec![edge("a", &[]), edge("b", &["a"]), edge("c", &["a", "b"])];
    for instance in [by_children, by_parents] {
        assert_eq!(edges(&imported(&instance).expect("an instance")), expected);
    }
}

#[test]
fn files_count_only_when_no_task_names_another() {
    let mut instance = instance(&[("a", &[], &[], 1.0), ("b", &[], &[], 1.0)]);
    let tasks = &mut instance["workflow"]["specification"]["tasks"];
    tasks[0]["outputFiles"] = json!(["x", "log"]);
    tasks[1]["inputFiles"] = json!(["x", "from elsewhere"]);
    tasks[1]["outputFiles"] = json!(["log"]);
    let through_files = edges(&imported(&instance).expect("an instance"));
    assert_eq!(through_files, [edge("a", &[]), edge("b", &["a"])]);

    let tasks = &mut instance["workflow"]["specification"]["tasks"];
    tasks[0]["parents"] = json!(["b"]);
    let through_lists = edges(&imported(&instance).expect("an instance"));
    assert_eq!(through_lists, [edge("a", &["b"]), edge("b", &[])]);
}

#[test]
fn an_edge_of_one_side_is_taken_when_that_is_asked_for() {
    let one_sided = instance(&[
        ("a", &[], &["b"], 1.0),
        ("b", &["a"], &[], 1.0),
        ("c", &["a"], &[], 1.0),
    ]);
    let options = Options {
        one_sided: OneSided::Take,
        ..Options::default()
    };
    let definition = wfformat(&one_sided.to_string(), &options).expect("an instance");
    let expected = [edge("a", &[]), edge("b", &["a"]), edge("c", &["a"])];
    assert_eq!(edges(&definition), expected);
}

#[test]
fn version_1_4_names_tasks_and_any_one_side() {
    let task = |id: &str, name: &str, parents: &[&str], children: &[&str]| {
        json!({
            "id": id, "name": name, "type": "compute", "runtimeInSeconds": 1.5,
            "parents": parents, "children": children,
            "files": [{ "link": "input", "name": "x", "sizeInBytes": 1 }],
        })
    };
    let instance = json!({
        "name": "older",
        "schemaVersion": "1.4",
        "workflow": {
            "makespanInSeconds": 9,
            "tasks": [
                task("ID1", "first", &[], &["second"]),
                task("ID2", "second", &[], &[]),
                task("ID3", "third", &["second", "ID1"], &[]),
            ],
        },
    });
    let definition = imported(&instance).expect("an instance");
    let expected = [
        edge("ID1", &[]),
        edge("ID2", &["ID1"]),
        edge("ID3", &["ID1", "ID2"]),
    ];
    assert_eq!(edges(&definition), expected);
    assert_eq!(definition["steps"][1]["meta"]["name"], "second");
}

#[test]
fn ids_that_are_none_here_are_cleaned_and_stay_unique() {
    let long = "é".repeat(200);
    let also_long = format!("{long}x");
    let cleaned = instance(&[
        ("a\tb", &[], &["a b"], 1.0),
        ("a b", &["a\tb"], &[], 1.0),
        ("", &[], &[&long], 1.0),
        (&long, &[""], &[&also_long], 1.0),
        (&also_long, &[&long], &[], 1.0),
    ]);
    let shortened = "é".repeat(127);
    let numbered = format!("{}~2", "é".repeat(126));
    let expected = [
        edge("a b~2", &[]),
        edge("a b", &["a b~2"]),
        edge("task", &[]),
        edge(&shortened, &["task"]),
        edge(&numbered, &[&shortened]),
    ];
    assert_eq!(edges(&imported(&cleaned).expect("an instance")), expected);
}

//! Published instances, in the folder that `CAPATAZ_WFINSTANCES` names, or beside the checkout in
//! `shared/data/wfinstances`. They are not part of this repository; without them there is nothing
//! to check here, and the test says so.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn folder() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/wfinstances");
    std::env::var_os("CAPATAZ_WFINSTANCES").map_or(beside, PathBuf::from)
}

fn instances() -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder()).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let files = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let mut files: Vec<_> = files
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a file that is listed can be read");
            (path, text)
        })
        .collect();
    files.sort();
    files
}

/// The edges as the file has them, by the children's lists alone.
fn recorded(instance: &Value) -> Vec<(String, String)> {
    let tasks = instance["workflow"]["specification"]["tasks"].as_array();
    let mut edges = Vec::new();
    for task in tasks.expect("tasks") {
        for child in task["children"].as_array().expect("children") {
            let text = |value: &Value| value.as_str().expect("an id").to_owned();
            edges.push((text(&task["id"]), text(child)));
        }
    }
    edges.sort();
    edges
}

/// What a worker is to run must be a task that a server takes.
fn check_task(definition: &Value, step: &Value) {
    let mut task = definition["defaults"].clone();
    for field in ["argv", "tags", "meta"] {
        if !step[field].is_null() {
            task[field] = step[field].clone();
        }
    }
    let read = capataz_api::spec::parse_task(task.to_string().as_bytes(), 1024);
    assert!(read.is_ok(), "{read:?} of {task}");
}

fn check(path: &Path, text: &str) {
    let instance: Value = serde_json::from_str(text).expect("JSON");
    for replay in [Replay::Sleep, Replay::Cpu] {
        let options = Options {
            time_scale: 0.01,
            replay,
            ..Options::default()
        };
        let definition =
            wfformat(text, &options).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let steps = definition["steps"].as_array().expect("steps");
        steps.iter().for_each(|step| check_task(&definition, step));
        let executed = instance["workflow"]["execution"]["tasks"]
            .as_array()
            .expect("tasks");
        assert_eq!(steps.len(), executed.len(), "{path:?}");
        let edges = edges(&definition).into_iter();
        let edges =
            edges.flat_map(|(id, after)| after.into_iter().map(move |from| (from, id.clone())));
        let mut edges: Vec<_> = edges.collect();
        edges.sort();
        assert_eq!(edges, recorded(&instance), "{path:?}");
        let bound = bound(&definition).expect("a bound");
        let runtimes = executed
            .iter()
            .filter_map(|task| task["runtimeInSeconds"].as_f64());
        let work_s = runtimes.sum::<f64>() * options.time_scale;
        let rounding = 0.005 * steps.len() as f64;
        assert!(
            (bound.work_s - work_s).abs() <= rounding,
            "{path:?}: {bound:?}"
        );
        assert!(
            bound.critical_path_s <= bound.work_s * 1.000_001,
            "{path:?}: {bound:?}"
        );
        println!(
            "{}: {replay:?}, {} steps, {bound:?}",
            path.display(),
            steps.len()
        );
    }
}

#[test]
fn published_instances_are_imported_whole() {
    let instances = instances();
    if instances.is_empty() {
        let folder = folder();
        eprintln!(
            "NOT CHECKED: no published instances in {}; set CAPATAZ_WFINSTANCES",
            folder.display()
        );
    }
    for (path, text) in instances {
        check(&path, &text);
    }
}

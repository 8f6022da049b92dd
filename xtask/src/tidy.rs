//! Rules that no compiler checks. Each failure says what the rule is for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::dependencies;

/// Lines of a source file: beyond it a reader loses the thread.
const FILE_LINES: usize = 600;
/// Files that may be longer, with the reason.
const LONG_FILES: &[(&str, &str)] = &[];
/// Words that say nothing, in names of files and folders.
const EMPTY_WORDS: &[&str] = &[
    "util", "utils", "common", "types", "manager", "helper", "helpers",
];
/// What each crate may depend on in the workspace: ARCHITECTURE.md draws it.
const EDGES: &[(&str, &[&str])] = &[
    ("capataz-engine", &[]),
    ("capataz-journal", &[]),
    ("capataz-api", &[]),
    ("capataz-drawing", &[]),
    ("capataz-workflow", &["capataz-api"]),
    (
        "capataz-server",
        &[
            "capataz-engine",
            "capataz-journal",
            "capataz-api",
            "capataz-workflow",
        ],
    ),
    ("capataz-worker", &["capataz-api"]),
    (
        "capataz",
        &[
            "capataz-api",
            "capataz-server",
            "capataz-worker",
            "capataz-engine",
            "capataz-workflow",
        ],
    ),
    (
        "capataz-cli",
        &[
            "capataz",
            "capataz-api",
            "capataz-drawing",
            "capataz-server",
            "capataz-worker",
            "capataz-workflow",
        ],
    ),
    (
        "capataz-sim",
        &[
            "capataz-api",
            "capataz-engine",
            "capataz-journal",
            "capataz-server",
            "capataz-worker",
        ],
    ),
    (
        "capataz-sim",
        &[
            "capataz-engine",
            "capataz-journal",
            "capataz-api",
            "capataz-server",
            "capataz-worker",
        ],
    ),
    ("xtask", &[]),
];

pub(crate) fn run() -> Result<()> {
    let mut faults = Vec::new();
    let files = tracked()?;
    for file in &files {
        check_name(file, &mut faults);
        if file.extension().is_some_and(|extension| extension == "rs") {
            check_source(file, &mut faults)?;
        }
    }
    let metadata = metadata()?;
    check_edges(&metadata, &mut faults);
    dependencies::check(&metadata, &mut faults)?;
    if faults.is_empty() {
        eprintln!("tidy: {} files, nothing to say", files.len());
        return Ok(());
    }
    bail!("tidy found:\n{}", faults.join("\n"));
}

/// The files that git knows, from the workspace's folder.
fn tracked() -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(crate::root())
        .output()
        .context("git did not start")?;
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let exists = |path: &PathBuf| crate::root().join(path).exists();
    Ok(names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(exists)
        .collect())
}

fn check_name(file: &Path, faults: &mut Vec<String>) {
    for part in file.components() {
        let part = part.as_os_str().to_string_lossy();
        let stem = part.split('.').next().unwrap_or_default();
        if EMPTY_WORDS.contains(&stem) {
            faults.push(format!(
                "{}: {stem:?} says nothing; name what is in it",
                file.display()
            ));
        }
    }
}

fn check_source(file: &Path, faults: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(crate::root().join(file))
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let lines = text.lines().count();
    let allowed = LONG_FILES.iter().any(|(path, _)| Path::new(path) == file);
    if lines > FILE_LINES && !allowed {
        let name = file.display();
        faults.push(format!(
            "{name}: {lines} lines, the limit is {FILE_LINES}; split it"
        ));
    }
    if !text.starts_with("//!") && !text.starts_with("#!") {
        faults.push(format!(
            "{}: begin with a //! line that says what it is for",
            file.display()
        ));
    }
    Ok(())
}

/// Every package of the workspace and whatever it depends on, as Cargo knows it.
fn metadata() -> Result<Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(crate::root())
        .output()
        .context("cargo metadata did not start")?;
    serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")
}

fn check_edges(metadata: &Value, faults: &mut Vec<String>) {
    let allowed: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let own = |package: &&Value| package["source"].is_null();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    for package in packages.filter(own) {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = allowed.get(name) else {
            faults.push(format!(
                "{name}: a new crate must be added to the table in tidy.rs"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let inside = dependency["path"].is_string();
            let for_tests = dependency["kind"] == "dev";
            if inside && !for_tests && !allowed.contains(&to) {
                faults.push(format!(
                    "{name} must not depend on {to}: see ARCHITECTURE.md"
                ));
            }
        }
    }
}

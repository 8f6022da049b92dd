//! Bar 2: files under /usr hashed by tasks; every output is what `sha256sum` prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use super::options::Options;
use super::system::System;

/// Files of one call of `sha256sum`: their names fit into one command line.
const CALL: usize = 200;

/// Larger files only measure the disk.
const FILE_BYTES: u64 = 16 << 20;

pub(crate) fn run(options: &Options) -> Result<()> {
    let wanted = options.tasks(2_000, 200);
    let mut files = Vec::new();
    find(Path::new("/usr"), wanted, &mut files)?;
    ensure!(
        files.len() == wanted,
        "only {} files under /usr",
        files.len()
    );
    let expected = sums(&files)?;
    let system = System::start(&options.binary, None)?;
    let clients = system.clients();
    let flags = |pod| {
        [
            "--group",
            "files",
            "--pod",
            pod,
            "--pod-slots",
            "2",
            "--allow-commands",
        ]
    };
    let _workers = [
        clients.worker("w1", &flags("a"))?,
        clients.worker("w2", &flags("a"))?,
        clients.worker("w3", &flags("b"))?,
    ];
    let list = system.path().join("list");
    fs::write(&list, files.join("\n"))?;
    let list = list.to_string_lossy();
    let begun = Instant::now();
    let submit = [
        "submit",
        "--group",
        "files",
        "--tag",
        "bar",
        "--each-line",
        &*list,
        "--wait",
    ];
    let printed = clients.run(&[&submit[..], &["--", "sha256sum", "{}"]].concat())?;
    let seconds = begun.elapsed().as_secs_f64();
    let ids: Vec<&str> = printed.lines().collect();
    ensure!(ids.len() == wanted, "{} ids for {wanted} lines", ids.len());
    let tasks = clients.tasks("bar")?;
    ensure!(
        tasks.len() == wanted,
        "{} tasks for {wanted} lines",
        tasks.len()
    );
    let mut pods = std::collections::BTreeSet::new();
    let outputs: std::collections::HashMap<&str, &str> = tasks
        .iter()
        .filter_map(|task| Some((task["id"].as_str()?, task["output"].as_str()?)))
        .collect();
    for task in &tasks {
        pods.insert(task["pod"].as_str().unwrap_or_default());
    }
    let pairs = ids.iter().zip(&expected);
    let equal = pairs
        .filter(|(id, sum)| outputs.get(**id) == Some(&sum.as_str()))
        .count();
    super::print(&json!({
        "bar": "hash", "files": wanted, "equal": equal, "pods": pods.len(), "seconds": seconds,
    }));
    ensure!(
        equal == wanted,
        "{} outputs differ from sha256sum's",
        wanted - equal
    );
    ensure!(pods.len() == 2, "only the pods {pods:?} were used");
    Ok(())
}

/// The first regular files below a folder, in the order of their names.
fn find(folder: &Path, wanted: usize, files: &mut Vec<String>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    for path in paths {
        if files.len() == wanted {
            return Ok(());
        }
        let kind = fs::symlink_metadata(&path)?;
        if kind.is_dir() {
            find(&path, wanted, files)?;
        } else if kind.is_file() && kind.len() <= FILE_BYTES {
            // A name that is not UTF-8, or has a line break, is no line of a file.
            let name = path.to_str().filter(|name| !name.contains('\n'));
            files.extend(name.map(str::to_owned));
        }
    }
    Ok(())
}

/// What `sha256sum` prints for each file, the line's end included.
fn sums(files: &[String]) -> Result<Vec<String>> {
    let mut sums = Vec::new();
    for part in files.chunks(CALL) {
        let output = Command::new("sha256sum").args(part).output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout)?;
        sums.extend(text.split_inclusive('\n').map(str::to_owned));
    }
    ensure!(
        sums.len() == files.len(),
        "sha256sum printed {} lines",
        sums.len()
    );
    Ok(sums)
}

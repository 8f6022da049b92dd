//! Recorded scientific workflows, replayed: every WfFormat file becomes a run that comes to its end,
//! each step once and after all of its parents, as a script that shares no code finds in the audit
//! export; also with the server killed on the way. Says how near the makespan comes to the bound.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::Rng;
use serde_json::{Value, json};

use super::options::Options;
use super::system::{Clients, Setup, System};

/// Where the instances are looked for when the variable does not say so.
const INSTANCES: &str = "../shared/data/wfinstances";
/// The variable that names their folder.
const VARIABLE: &str = "CAPATAZ_WFINSTANCES";
/// The one pod's slots.
const SLOTS: &str = "8";
/// How long the bound of a run is made, in seconds: of the whole bar, and of a quick look.
const SECONDS: (f64, f64) = (25.0, 3.0);
/// How long a killed server stays away.
const OUTAGE: Duration = Duration::from_millis(200);
/// How long a run may take beyond its bound.
const PATIENCE: &str = "5m";

pub(crate) fn run(options: &Options) -> Result<()> {
    let files = instances()?;
    if files.is_empty() {
        eprintln!("NOT CHECKED: no WfFormat files; {VARIABLE} names their folder");
        return Ok(());
    }
    let mut ratios = Vec::new();
    for file in &files {
        let calm = replay(options, file, 0)?;
        ratios.push(calm["ratio"].as_f64().context("a ratio")?);
        super::print(&calm);
    }
    ratios.sort_by(f64::total_cmp);
    super::print(&json!({
        "bar": "workflows",
        "part": "makespan",
        "runs": ratios.len(),
        "median_ratio": ratios[ratios.len() / 2],
        "worst_ratio": ratios.last(),
    }));
    let kills = options.cycles(5, 2);
    for file in &files {
        super::print(&replay(options, file, kills)?);
    }
    Ok(())
}

fn instances() -> Result<Vec<PathBuf>> {
    let folder = match std::env::var_os(VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        None => crate::root().join(INSTANCES),
    };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "json") {
            files.push(path.canonicalize()?);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs one instance on a server and a worker of its own.
fn replay(options: &Options, file: &Path, kills: usize) -> Result<Value> {
    let mut system = System::start_as(Setup {
        binary: options.binary.clone(),
        lease: Some("2s"),
        data: None,
        env: Vec::new(),
    })?;
    let clients = system.clients().clone();
    let flags = [
        "--group",
        "wf",
        "--pod",
        "wf",
        "--pod-slots",
        SLOTS,
        "--allow-commands",
    ];
    let _worker = clients.worker("w", &flags)?;
    let seconds = if options.is_full() {
        SECONDS.0
    } else {
        SECONDS.1
    };
    let (definition, bound) = import(&clients, system.path(), file, seconds)?;
    let id = clients.run(&[
        "run",
        "start",
        "--file",
        text(&definition)?,
        "--output",
        "quiet",
    ])?;
    let id = id.trim().to_owned();
    let mut dice = options.dice();
    for _ in 0..kills {
        let pause = bound * 1e3 / (kills + 1) as f64;
        std::thread::sleep(Duration::from_millis(dice.random_range(0..=pause as u64)));
        system.kill_and_restart(OUTAGE)?;
    }
    let waited = clients.output(&["run", "wait", &id, "--timeout", PATIENCE])?;
    ensure!(waited.status.success(), "run {id}: {}", waited.status);
    let audit = system.path().join("audit.jsonl");
    std::fs::write(&audit, clients.run(&["run", "audit", &id])?)?;
    // Against what was started, and against the instance itself.
    let makespan = check(&audit, &definition, &id)?;
    check(&audit, file, &id)?;
    Ok(json!({
        "bar": "workflows",
        "part": if kills == 0 { "calm" } else { "kills" },
        "instance": file.file_stem().map(|name| name.to_string_lossy()),
        "kills": kills,
        "bound_s": bound,
        "makespan_s": makespan,
        "ratio": makespan / bound,
    }))
}

/// Imports an instance at a scale at which its bound takes about `seconds`.
fn import(clients: &Clients, folder: &Path, file: &Path, seconds: f64) -> Result<(PathBuf, f64)> {
    let import = |scale: f64| -> Result<(String, f64)> {
        let scale = scale.to_string();
        let arguments = [
            "workflow",
            "import",
            "wfformat",
            text(file)?,
            "--group",
            "wf",
            "--slots",
            SLOTS,
            "--time-scale",
            &scale,
        ];
        let output = clients.output(&arguments)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{}: {said}", file.display());
        Ok((String::from_utf8(output.stdout)?, least(&said)?))
    };
    let (_, whole) = import(1.0)?;
    let (definition, bound) = import(seconds / whole)?;
    let path = folder.join("definition.json");
    std::fs::write(&path, definition)?;
    Ok((path, bound))
}

/// Reads `... at least 2.77 s with 8 slots`.
fn least(said: &str) -> Result<f64> {
    let after = said.split("at least ").nth(1);
    let number = after.and_then(|after| after.split(' ').next());
    let number = number.and_then(|number| number.parse().ok());
    number.with_context(|| format!("no bound in {said:?}"))
}

/// The makespan that the checker finds.
fn check(audit: &Path, definition: &Path, id: &str) -> Result<f64> {
    let script = crate::root().join("examples/check_run.py");
    let output = Command::new("python3")
        .arg(script)
        .args([audit, definition])
        .args(["--run", id])
        .output()
        .context("python3")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("makespan: "));
    let number = line.and_then(|line| line.trim_end_matches(" s").parse().ok());
    number.with_context(|| format!("no makespan in {said:?}"))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

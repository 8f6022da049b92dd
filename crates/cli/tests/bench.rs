//! The benchmarks from outside: that they run to their end, and the names of what they print. How
//! fast anything is belongs to no test.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs `capataz bench LINE --output json`, with its data in a folder of this test.
fn bench(line: &str) -> String {
    let place = tempfile::tempdir().unwrap();
    let output = bench_in(place.path(), line);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn bench_in(place: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_capataz"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CAPATAZ_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(place)
        .arg("bench")
        .args(line.split_whitespace())
        .args(["--data-dir", "data", "--output", "json"])
        .stdin(Stdio::null());
    command.output().unwrap()
}

/// What the first run left would be queued, kept and counted in the second.
#[test]
fn a_folder_is_measured_in_once() {
    let place = tempfile::tempdir().unwrap();
    let line = "backlog --tasks 20000 --groups 1";
    assert!(bench_in(place.path(), line).status.success());
    let again = bench_in(place.path(), line);
    assert_eq!(again.status.code(), Some(1));
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(said.contains("data has been a server's folder"), "{said}");
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn names(of: &Value) -> Vec<&str> {
    of.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_queue_is_measured_call_by_call() {
    let found = json(&bench("queue --tasks 20000 --workers 1 --slots 100"));
    for name in [
        "submit_one_ms",
        "submit_64_in_flight_ms",
        "submit_batch_ms",
        "drain_ms",
    ] {
        assert_eq!(names(&found[name]), ["p50", "p99", "max"], "{name}");
        let [p50, p99, max] = ["p50", "p99", "max"].map(|part| found[name][part].as_f64().unwrap());
        assert!(p50 <= p99 && p99 <= max && max > 0.0, "{name}: {found}");
    }
    assert_eq!(
        names(&found["environment"]),
        [
            "capataz",
            "debug_build",
            "kernel",
            "cpu",
            "cores",
            "memory_bytes",
            "file_system",
            "date"
        ]
    );
    let version = found["environment"]["capataz"].as_str().unwrap();
    assert!(version.starts_with(env!("CARGO_PKG_VERSION")), "{found}");
}

#[test]
fn a_backlog_is_loaded_drained_killed_and_found_again() {
    let found = json(&bench("backlog --tasks 20000 --dedup-keys"));
    let promised = [
        "tasks",
        "groups",
        "payload_bytes",
        "dedup_keys",
        "load_per_s",
        "catch_up_s",
        "submit_ms",
        "rss_bytes_per_queued_task",
        "rss_bytes_per_queued_task_second_half",
        "memory",
        "drained",
        "dispatch_few_per_s",
        "dispatch_many_per_s",
        "dispatch_ratio",
        "ready_s",
        "queued_after_restart",
        "rss_bytes_after_restart",
        "disk",
        "raw_sync_ms",
        "environment",
    ];
    assert_eq!(names(&found), promised);
    assert_eq!(
        names(&found["submit_ms"]),
        ["few", "loading", "catching_up", "idle"]
    );
    assert_eq!(
        names(&found["submit_ms"]["idle"]),
        ["p50", "p90", "p99", "max", "submits"]
    );
    let [few, half, all] = &found["memory"].as_array().unwrap()[..] else {
        panic!("{found}");
    };
    assert_eq!(names(few), ["queued", "rss_bytes", "anonymous_bytes"]);
    let queued = |point: &Value| point["queued"].as_u64().unwrap();
    assert!(queued(few) >= 10_000 && queued(half) >= 15_000 && queued(all) >= 20_000);
    assert_eq!(
        names(&found["disk"]),
        [
            "journal_written_bytes_per_task",
            "journal_bytes",
            "store_bytes",
            "store_bytes_per_task"
        ]
    );
    let [tasks, drained, left] =
        ["tasks", "drained", "queued_after_restart"].map(|name| found[name].as_u64().unwrap());
    assert_eq!((tasks, drained), (20_000, 5_000));
    // More may end before they are held back; a thousand came before the kill.
    assert!((1_000..=16_000).contains(&left), "{found}");
}

#[test]
fn processes_are_measured_beside_a_bare_loop() {
    let found = json(&bench("processes --tasks 50"));
    let promised = [
        "tasks",
        "workers",
        "slots",
        "tasks_per_s",
        "bare_per_s",
        "ratio",
        "server_cpu_us_per_task",
        "raw_sync_ms",
        "environment",
    ];
    assert_eq!(names(&found), promised);
    assert_eq!(found["tasks"], 50);
    assert!(found["ratio"].as_f64().unwrap() > 0.0, "{found}");
}

#[test]
fn a_steady_load_is_run_and_shown() {
    let found = json(&bench("sustained --rate 500 --seconds 2 --slots 100"));
    let promised = [
        "rate",
        "seconds",
        "workers",
        "slots",
        "payload_bytes",
        "tasks",
        "submitted_per_s",
        "ended_per_s",
        "projected_per_s",
        "submit_ms",
        "submit_max_ms",
        "start_ms",
        "history_lag_s",
        "rss_bytes",
        "raw_sync_ms",
        "environment",
    ];
    assert_eq!(names(&found), promised);
    assert!(found["tasks"].as_u64().unwrap() > 1_000, "{found}");
    assert!(found["start_ms"]["p50"].as_f64().unwrap() > 0.0, "{found}");
}

#[test]
fn growth_is_one_line_a_point() {
    let what = " --what groups --what pods --what workers";
    let lines = bench(&format!("growth --max 10 --queued 2000 --seconds 1{what}"));
    let points: Vec<Value> = lines.lines().map(json).collect();
    let at = |point: &Value| {
        (
            point["what"].as_str().unwrap().to_owned(),
            point["at"].as_u64(),
        )
    };
    let expected = ["groups", "pods", "workers"]
        .map(|what| [(what.to_owned(), Some(1)), (what.to_owned(), Some(10))]);
    assert_eq!(points.iter().map(at).collect::<Vec<_>>(), expected.concat());
    for point in &points {
        let promised = [
            "what",
            "at",
            "tasks",
            "cpu_us_per_task",
            "wall_us_per_task",
            "environment",
        ];
        assert_eq!(names(point), promised);
        assert!(point["tasks"].as_u64().unwrap() > 0, "{point}");
    }
}

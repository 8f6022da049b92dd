//! The binary from outside: exit codes, what goes to stdout and what to stderr.

mod answer;
mod support;

use std::io::Read;
use std::process::Stdio;

use answer::answer;
use support::{Place, ended};

const NOBODY: &str = "--server http://127.0.0.1:1";

#[test]
fn help_and_version_are_data() {
    let place = Place::new();
    let help = place.run("submit --help");
    assert_eq!((help.exit, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.contains("Examples:"), "{}", help.stdout);
    assert!(place.run("--version").stdout.starts_with("capataz "));
    let nothing = place.run("");
    assert_eq!((nothing.exit, nothing.stdout.as_str()), (1, ""));
}

#[test]
fn a_wrong_flag_is_one_and_goes_to_stderr() {
    let run = Place::new().run("submit --gruop g -- true");
    assert_eq!((run.exit, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("'--group'"), "{}", run.stderr);
}

#[test]
fn an_unreachable_server_is_one_sentence_and_a_hint() {
    let place = Place::new();
    for command in ["stats", "task list", "wait 1", "explain 1", "group pause g"] {
        let run = place.run(&format!("{command} {NOBODY}"));
        assert_eq!(
            (run.exit, run.stdout.as_str()),
            (1, ""),
            "{command}: {run:?}"
        );
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{run:?}");
        assert!(lines[0].starts_with("capataz: no server answers at http://127.0.0.1:1"));
        assert!(
            lines[1].starts_with("  hint: start one with `capataz serve`"),
            "{run:?}"
        );
    }
}

#[test]
fn json_stays_whole_when_nothing_can_be_submitted() {
    let run = Place::new().run(&format!("submit --group g -o json {NOBODY} -- true"));
    assert_eq!(
        (run.exit, run.stdout.as_str()),
        (1, "{\"ids\": []}\n"),
        "{run:?}"
    );
}

#[test]
fn a_bad_line_is_named_before_any_server_is_asked() {
    let place = Place::new();
    place.write(
        "specs",
        "{\"group\":\"g\"}\n\n{\"group\":\"g\",\"priority\":12}\n",
    );
    let run = place.run(&format!("submit --json-lines specs {NOBODY}"));
    assert_eq!((run.exit, run.stdout.as_str()), (1, ""));
    assert!(
        run.stderr.starts_with("capataz: specs, line 3: priority"),
        "{}",
        run.stderr
    );
    place.write("lines", b"ok\n\xff\n");
    let run = place.run(&format!(
        "submit --group g --each-line lines {NOBODY} -- echo {{}}"
    ));
    assert!(
        run.stderr.contains("lines: line 2 is not UTF-8"),
        "{}",
        run.stderr
    );
    let run = place.run(&format!(
        "submit --group g --each-line none {NOBODY} -- echo {{}}"
    ));
    assert!(
        run.stderr.starts_with("capataz: none cannot be read"),
        "{}",
        run.stderr
    );
}

#[test]
fn what_is_not_there_is_five() {
    let problem = r#"{"type":"urn:capataz:problem:not_found","title":"Not found","status":404,
        "detail":"there is no task 7","code":"not_found"}"#;
    let url = answer("GET /api/v1/tasks/7", 404, problem);
    let run = Place::new().run(&format!("task show 7 --server {url}"));
    assert_eq!((run.exit, run.stdout.as_str()), (5, ""), "{run:?}");
    assert!(run.stderr.starts_with("capataz: "), "{}", run.stderr);
    assert!(run.stderr.contains("there is no task 7"), "{}", run.stderr);
}

#[test]
fn waiting_ends_as_the_work_did() {
    let place = Place::new();
    let wait = |body, flags: &str| {
        let url = answer("POST /api/v1/wait", 200, body);
        place.run(&format!("wait --tag t {flags} --server {url}"))
    };
    let good = r#"{"done":true,"counts":{"succeeded":2},"remaining":0,"handle":"h","position":3}"#;
    let run = wait(good, "");
    assert_eq!((run.exit, run.stdout.as_str()), (0, "2 succeeded\n"));
    let bad = r#"{"done":true,"counts":{"failed":1,"cancelled":1},"remaining":0,"handle":"h",
        "position":3}"#;
    let run = wait(bad, "-o json");
    assert_eq!(run.exit, 2);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&json["counts"]["failed"], &json["position"]),
        (&1.into(), &3.into())
    );
    let cancelled =
        r#"{"done":true,"counts":{"cancelled":1},"remaining":0,"handle":"h","position":3}"#;
    assert_eq!(wait(cancelled, "").exit, 3);
    let nothing = r#"{"done":true,"counts":{},"remaining":0,"handle":"h","position":3}"#;
    assert_eq!(wait(nothing, "").exit, 0, "nothing was alive");
    let slow = r#"{"done":false,"counts":{"running":4},"remaining":4,"handle":"h","position":3}"#;
    let run = wait(slow, "--timeout 0 --progress");
    assert_eq!((run.exit, run.stdout.as_str()), (4, ""));
    assert!(
        run.stderr.contains("0/4 done (0 %), 4 running, 0 failed"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let mut command = place.command("completions bash");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn settings_come_from_a_file_and_warn_of_what_they_do_not_know() {
    let place = Place::new();
    place.write(
        "capataz.toml",
        "server = \"http://127.0.0.1:1\"\n[cli]\noutputs = \"json\"\n",
    );
    let run = place.run("stats");
    assert_eq!(run.exit, 1);
    let warned = "capataz: capataz.toml: cli.outputs is no option and is ignored; did you mean \
                  cli.output?";
    assert_eq!(run.stderr.lines().next(), Some(warned));
    assert!(
        run.stderr
            .contains("no server answers at http://127.0.0.1:1"),
        "{}",
        run.stderr
    );
    let mut other = place.command("stats");
    other.env("CAPATAZ_SERVER", "http://127.0.0.1:2");
    assert!(
        ended(other).stderr.contains("http://127.0.0.1:2"),
        "the variable beats the file"
    );
    let mut output = place.command("stats --server http://127.0.0.1:1");
    output
        .env("CAPATAZ_OUTPUT", "/tmp/of/an/attempt")
        .env("CAPATAZ_NONSENSE", "1");
    assert_eq!(
        ended(output).exit,
        1,
        "the variables of an attempt are no settings"
    );
    let run = place.run("stats --config nowhere.toml");
    assert_eq!(run.exit, 1);
    assert!(
        run.stderr
            .starts_with("capataz: the settings file nowhere.toml"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_doctor_looks_at_this_machine() {
    let place = Place::new();
    let run = place.run("doctor --offline --data-dir new -o json");
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let checks = json["checks"].as_array().unwrap();
    let failed = checks.iter().any(|check| check["verdict"] == "failed");
    assert_eq!((checks.len(), run.exit), (5, i32::from(failed)));
    assert!(!place.path().join("new").exists());
}

#[test]
fn a_file_is_measured_without_any_other_tool() {
    let place = Place::new();
    place.write("a", "one\ntwo\n");
    let run = place.run("demo-measure a");
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&json["bytes"], &json["lines"]), (&8.into(), &2.into()));
    assert_eq!(place.run("demo-measure none").exit, 1);
}

#[test]
fn a_worker_is_told_what_it_lacks() {
    let place = Place::new();
    for (line, lacks) in [
        ("worker --pod p --allow-commands", "no group is named"),
        ("worker --group g --allow-commands", "no pod is named"),
        ("worker --group g --pod p", "nothing is named that may run"),
    ] {
        let run = place.run(line);
        assert_eq!(run.exit, 1);
        assert!(
            run.stderr.contains(lacks) && run.stderr.contains("hint: "),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn a_server_beyond_this_machine_needs_the_risk_to_be_named() {
    let run = Place::new().run("serve --listen 0.0.0.0:0");
    assert_eq!(run.exit, 1);
    assert!(run.stderr.contains("--allow-plaintext"), "{}", run.stderr);
}

#[test]
fn the_demo_measures_every_file_and_ends_well() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("files")).unwrap();
    for name in ["files/a.rs", "files/b.rs", "files/c.md"] {
        place.write(name, "x\n");
    }
    let run = ended(place.command("demo files -o json"));
    assert_eq!(run.exit, 0, "{run:?}");
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&json["kinds"]["rs"]["files"], &json["kinds"]["md"]["lines"]),
        (&2.into(), &1.into())
    );
    assert!(run.stderr.contains("Where to look next"), "{}", run.stderr);
}

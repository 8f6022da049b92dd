//! Submitting, waiting, and what comes out.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Place, Run, Server};

#[test]
fn every_file_is_hashed_and_every_output_is_the_hash_of_its_file() {
    let server = Server::start();
    let _workers = [
        server.worker("--group files --pod a --pod-slots 2 --name w1 --allow-commands"),
        server.worker("--group files --pod b --name w2 --allow-commands"),
        server.worker("--group files --pod b --name w3 --allow-commands"),
    ];
    let mut expected = BTreeMap::new();
    for n in 0..60 {
        let content = format!("file {n}\n").repeat(n * 37);
        let path = server.place().write(&format!("file {n}"), &content);
        let hash = hex::encode(Sha256::digest(&content));
        expected.insert(path.clone(), format!("{hash}  {path}\n"));
    }
    let paths: Vec<&str> = expected.keys().map(String::as_str).collect();
    let list = server.place().write("list", paths.join("\n"));
    let line = format!("submit --group files --each-line {list} --tag hashes --wait");
    let ids = server.run_argv(&line, &["sha256sum", "{}"]).lines();
    assert_eq!(ids.len(), expected.len());

    let tasks = server.items("task list --tag hashes --limit 1000");
    let outputs = |task: &Value| task["output"].as_str().unwrap().to_owned();
    let mut got: Vec<String> = tasks.iter().map(outputs).collect();
    got.sort();
    let mut wanted: Vec<String> = expected.into_values().collect();
    wanted.sort();
    assert_eq!(got, wanted);
    let mut listed: Vec<&str> = tasks
        .iter()
        .map(|task| task["id"].as_str().unwrap())
        .collect();
    listed.sort_by_key(|id| id.parse::<u64>().unwrap());
    assert_eq!(listed, ids, "printed in the order of the lines, and listed");
}

#[test]
fn exit_codes_say_how_the_work_ended() {
    let server = Server::start();
    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    let end = |flags: &str, argv: &[&str]| {
        server
            .run_argv(&format!("submit --group g {flags} --wait"), argv)
            .exit
    };
    assert_eq!(end("", &["true"]), 0);
    assert_eq!(end("", &["false"]), 2);
    assert_eq!(end("", &["/no/such/program"]), 2);
    assert_eq!(end("--priority 12", &["true"]), 1);
    assert_eq!(
        end("--timeout 200ms", &["sleep", "30"]),
        2,
        "a timeout is a failure"
    );
    assert_eq!(end("--wait-timeout 200ms", &["sleep", "3"]), 4);
    let waiting = server.run_argv("submit --group nobody", &["true"]).exits(0);
    let id = waiting.trim();
    assert_eq!(server.run(&format!("wait {id} --timeout 100ms")).exit, 4);
    server.run(&format!("task cancel {id}")).exits(0);
    assert_eq!(server.run(&format!("wait {id}")).exit, 3);
    assert_eq!(server.run("wait 424242").exit, 5);
    assert_eq!(server.run("task show 424242").exit, 5);
    assert_eq!(server.run("task cancel 424242").exit, 5);
    assert_eq!(server.run("logs 424242").exit, 5);
    assert_eq!(
        server.run("wait --tag nobody-has-it").exit,
        0,
        "nothing alive"
    );
}

#[test]
fn one_bad_line_submits_nothing_at_all() {
    let server = Server::start();
    let specs = [
        json!({"group": "g", "argv": ["true"]}),
        json!({"group": "g", "argv": ["true"], "priority": 0}),
        json!({"group": "g", "argv": ["true"]}),
    ];
    let lines: String = specs.iter().map(|spec| format!("{spec}\n")).collect();
    let file = server.place().write("specs", lines);
    let run = server.run(&format!("submit --json-lines {file}"));
    assert_eq!((run.exit, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(
        run.stderr.contains("line 2") && run.stderr.contains("priority"),
        "{run:?}"
    );
    assert!(server.items("task list").is_empty());
}

#[test]
fn a_spec_of_every_kind_arrives_as_it_was_sent() {
    let server = Server::start();
    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    let show = [
        "/bin/sh",
        "-c",
        "cat; printf ' %s %s' \"$COLOUR\" \"$CAPATAZ_GROUP\"",
    ];
    let to_file = [
        "/bin/sh",
        "-c",
        "printf out; printf file >\"$CAPATAZ_OUTPUT\"",
    ];
    let specs = [
        json!({"group": "g", "argv": show, "payload": "text", "env": {"COLOUR": "red"}}),
        json!({"group": "g", "argv": show, "payload": {"a": [1, 2]}, "tags": ["x"]}),
        json!({"group": "g", "argv": to_file}),
        json!({"group": "g", "argv": to_file, "output": "stdout"}),
        json!({"group": "g", "argv": to_file, "output": "none"}),
        json!({"group": "g", "argv": ["printf", "\\377"], "meta": {"kept": true}}),
    ];
    let lines: String = specs.iter().map(|spec| format!("{spec}\n")).collect();
    let file = server.place().write("specs", lines);
    let ids = server
        .run(&format!("submit --json-lines {file} --tag all --wait"))
        .lines();
    let outputs: Vec<Value> = ids
        .iter()
        .map(|id| server.task(id)["output"].clone())
        .collect();
    let wanted = [
        json!("text red g"),
        json!("{\"a\":[1,2]}  g"),
        json!("file"),
        json!("out"),
        Value::Null,
        json!({"base64": "/w=="}),
    ];
    assert_eq!(outputs, wanted);
    assert_eq!(server.task(&ids[1])["tags"], json!(["all", "x"]), "a set");
    assert_eq!(server.task(&ids[5])["meta"], json!({"kept": true}));
}

#[test]
fn an_array_is_one_id_and_many_elements() {
    let server = Server::start();
    let _worker = server.worker("--group g --pod p --pod-slots 4 --name w --allow-commands");
    let script = "test $CAPATAZ_INDEX != 7 && echo index $CAPATAZ_INDEX";
    let argv = ["/bin/sh", "-c", script];
    let run = server.run_argv("submit --group g --count 20 --wait", &argv);
    assert_eq!(run.exit, 2, "one element fails: {run:?}");
    let id = run.stdout.trim();
    let elements = server.items(&format!("task list --array {id} --limit 100"));
    assert_eq!(elements.len(), 20);
    for (index, element) in elements.iter().enumerate() {
        assert_eq!(element["id"], format!("{id}.{index}"));
        let output = if index == 7 {
            "".to_owned()
        } else {
            format!("index {index}\n")
        };
        let state = if index == 7 { "failed" } else { "succeeded" };
        let got = (
            &element["state"],
            element["output"].as_str().unwrap_or_default(),
        );
        assert_eq!(got, (&json!(state), output.as_str()), "{element}");
    }
    let array = server.task(id);
    assert_eq!(
        (&array["counts"]["succeeded"], &array["counts"]["failed"]),
        (&json!(19), &json!(1))
    );
    assert_eq!(server.run(&format!("wait {id}.3")).exit, 0);
    assert_eq!(server.run(&format!("wait {id}.7")).exit, 2);
    assert_eq!(server.run(&format!("wait {id}.20")).exit, 5);
}

#[test]
fn the_same_key_and_request_is_the_same_task_even_after_a_restart() {
    let mut server = Server::start();
    let submit = |server: &Server, group: &str, word: &str| {
        server.run_argv(
            &format!("submit --group {group} --dedup-key k"),
            &["echo", word],
        )
    };
    let id = submit(&server, "g", "a").exits(0);
    assert_eq!(submit(&server, "g", "a").exits(0), id);
    assert_ne!(
        submit(&server, "other", "a").exits(0),
        id,
        "a key is of its group"
    );
    let refused = submit(&server, "g", "b");
    assert_eq!(
        (refused.exit, refused.stdout.as_str()),
        (1, ""),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("dedup_key"), "{refused:?}");
    server.kill();
    server.restart();
    assert_eq!(submit(&server, "g", "a").exits(0), id);
    assert_eq!(submit(&server, "g", "b").exit, 1);
    server.listed("task list", 2);
}

#[test]
fn the_most_urgent_goes_first_and_equals_in_the_order_they_came() {
    let server = Server::start();
    let log = server.place().path().join("log").display().to_string();
    for (word, priority) in [("a", 5), ("b", 1), ("c", 9), ("d", 5), ("e", 9)] {
        let flags = format!("--group g --priority {priority}");
        server.submit_script(&flags, &format!("echo {word} >>{log}"));
    }
    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    server.run("wait --group g").exits(0);
    assert_eq!(
        server
            .place()
            .read("log")
            .split_whitespace()
            .collect::<String>(),
        "ceadb"
    );
}

#[test]
fn every_list_has_three_forms() {
    let server = Server::start();
    let id = server.submit_script("--group g --tag t", "true");
    server.listed("task list", 1);
    let quiet = server.run("task list --output quiet").exits(0);
    assert_eq!(quiet, format!("{id}\n"));
    let page = server.run("task list --output json").json();
    assert_eq!(page["cursor"], Value::Null);
    let task = &page["items"][0];
    for field in [
        "id",
        "group",
        "state",
        "reason",
        "priority",
        "tags",
        "dedup_key",
        "attempt",
        "submitted_at",
        "queued_at",
        "allocated_at",
        "started_at",
        "finished_at",
        "worker",
        "pod",
        "host",
        "output",
    ] {
        assert!(task.get(field).is_some(), "{field}: {task}");
    }
    let table = server.run("task list").exits(0);
    assert!(
        table.starts_with("ID") && table.lines().count() == 2,
        "{table}"
    );
    for noun in ["group", "worker", "pod"] {
        assert!(server.run(&format!("{noun} list --output json")).json()["items"].is_array());
    }
    server.run("stats --output json").json();
    assert_eq!(server.run("task list --limit 0").exit, 1);
    assert_eq!(server.run("task list --limit 10001").exit, 1);
}

#[test]
fn pages_follow_each_other_without_a_gap() {
    let server = Server::start();
    let argv = ["true"];
    let lines = server.place().write("lines", "x\n".repeat(25));
    let ids = server
        .run_argv(&format!("submit --group g --each-line {lines}"), &argv)
        .lines();
    assert_eq!(
        ids.len(),
        25,
        "without {{}} the command runs unchanged once per line"
    );
    server.listed("task list", 25);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server
            .run(&format!("task list --limit 10 --output json{cursor}"))
            .json();
        let items = page["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|task| task["id"].as_str().unwrap().to_owned()),
        );
        match page["cursor"].as_str() {
            Some(next) => cursor = format!(" --cursor {next}"),
            None => break,
        }
    }
    seen.sort_by_key(|id| id.parse::<u64>().unwrap());
    assert_eq!(seen, ids);
}

#[test]
fn without_a_server_there_is_one_sentence_and_a_hint() {
    let mut server = Server::start();
    assert_eq!(server.stop(), 0);
    let run = server.run("task list");
    assert_eq!((run.exit, run.stdout.as_str()), (1, ""));
    let said: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(said.len(), 2, "{run:?}");
    assert!(said[0].contains(server.url()), "{run:?}");
    assert!(
        said[1].contains("hint") && said[1].contains("capataz serve"),
        "{run:?}"
    );
}

#[test]
fn a_wrong_token_is_told_from_no_server() {
    let server = Server::start();
    let mut command = server.command(&["task", "list"]);
    command.env("CAPATAZ_TOKEN", "wrong");
    let run = Run::of(command);
    assert_eq!((run.exit, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("token"), "{run:?}");
}

#[test]
fn completions_are_scripts() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = Run::of(place.command(&["completions", shell])).exits(0);
        assert!(script.contains("each-line"), "{shell}");
    }
}

//! What tasks print, and what happens.

use serde_json::Value;

use crate::harness::{Process, Run, Server, until};

#[test]
fn both_streams_are_kept_apart_and_by_attempt() {
    let server = Server::start();
    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    let script =
        "echo out $CAPATAZ_ATTEMPT; echo err $CAPATAZ_ATTEMPT >&2; test $CAPATAZ_ATTEMPT = 2";
    let id = server.submit_script("--group g --max-attempts 2 --backoff 10ms", script);
    server.run(&format!("wait {id}")).exits(0);
    let logs = |flags: &str| {
        let Run {
            exit,
            stdout,
            stderr,
        } = server.run(&format!("logs {id} {flags}"));
        (exit, stdout, stderr)
    };
    assert_eq!(
        logs(""),
        (0, "out 2\n".into(), "err 2\n".into()),
        "the last attempt's"
    );
    assert_eq!(logs("--attempt 1"), (0, "out 1\n".into(), "err 1\n".into()));
    assert_eq!(logs("--attempt 3").0, 5);
}

#[test]
fn logs_are_followed_while_it_runs_and_until_it_ends() {
    let server = Server::start();
    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    let gate = server.place().path().join("gate").display().to_string();
    let script = format!("echo first; until test -e {gate}; do sleep 0.05; done; echo last");
    let id = server.submit_script("--group g", &script);
    server.until_state(&id, "running");
    let said = server.place().path().join("followed");
    let mut follower = Process::start(server.command(&["logs", &id, "--follow"]), &said);
    until("the first line is there", || {
        (follower.said() == "first\n").then_some(())
    });
    follower.must_run();
    server.place().write("gate", "");
    assert_eq!(follower.ended().code(), Some(0), "{}", follower.said());
    assert_eq!(follower.said(), "first\nlast\n");
}

#[test]
fn events_tell_the_whole_story_and_resume_from_any_cursor() {
    let server = Server::start();
    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    let id = server.submit_script("--group g", "true");
    server.run(&format!("wait {id}")).exits(0);
    let events = |flags: &str| -> Vec<Value> {
        let lines = server.run(&format!("events {flags}")).lines();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = events(&format!("--task {id}"));
    // A short attempt is told by its end alone: there may be no event that it began.
    let told = |event: &&Value| event["type"] != "attempt_started";
    let types: Vec<&Value> = all
        .iter()
        .filter(told)
        .map(|event| &event["type"])
        .collect();
    assert_eq!(types, ["task_submitted", "attempt_leased", "attempt_ended"]);
    let cursor = all[1]["cursor"].as_str().unwrap();
    assert_eq!(events(&format!("--task {id} --after {cursor}")), all[2..]);
}

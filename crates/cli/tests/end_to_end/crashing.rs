//! Processes that are killed: nothing that was acknowledged is lost, and what was lost is told.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Server, alive, until};

/// How many times each task was executed, by what the tasks wrote down themselves.
fn executions(log: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for id in log.lines() {
        *counts.entry(id.to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn a_killed_server_forgets_nothing_and_its_workers_come_back() {
    let mut server = Server::start();
    let _worker = server.worker("--group g --pod p --pod-slots 4 --name w --allow-commands");
    let log = server.place().path().join("log").display().to_string();
    let script = format!("echo $CAPATAZ_TASK_ID >>{log}");
    let lines = server.place().write("lines", "x\n".repeat(40));
    let mut acknowledged = Vec::new();
    for _ in 0..3 {
        let argv = ["/bin/sh", "-c", &script];
        let line = format!("submit --group g --each-line {lines} --tag kept");
        acknowledged.extend(server.run_argv(&line, &argv).lines());
        server.kill();
        server.restart();
    }
    server.run("wait --tag kept").exits(0);
    let mut tasks = server.items("task list --tag kept --limit 1000");
    tasks.sort_by_key(|task| task["id"].as_str().unwrap().parse::<u64>().unwrap());
    let listed: Vec<&str> = tasks
        .iter()
        .map(|task| task["id"].as_str().unwrap())
        .collect();
    assert_eq!(listed, acknowledged, "none lost, none invented");
    assert!(tasks.iter().all(|task| task["state"] == "succeeded"));
    let executed = executions(&server.place().read("log"));
    let executed: Vec<&String> = executed.keys().collect();
    assert_eq!(
        executed.len(),
        acknowledged.len(),
        "each ran, and nothing else did"
    );
}

#[test]
fn what_runs_while_the_server_is_killed_ends_in_the_same_attempt() {
    let mut server = Server::start();
    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    let gate = server.place().path().join("gate").display().to_string();
    let script = format!("until test -e {gate}; do sleep 0.05; done; echo done");
    let id = server.submit_script("--group g", &script);
    server.until_state(&id, "running");
    server.kill();
    server.place().write("gate", "");
    server.restart();
    server.run(&format!("wait {id}")).exits(0);
    let task = server.task(&id);
    assert_eq!(
        (&task["attempt"], &task["output"]),
        (&json!(1), &json!("done\n")),
        "{task}"
    );
}

#[test]
fn a_stopped_server_ends_with_zero_and_keeps_all() {
    let mut server = Server::start();
    let id = server.submit_script("--group g", "true");
    assert_eq!(server.stop(), 0);
    server.restart();
    assert_eq!(server.task(&id)["state"], "queued");
}

#[test]
fn a_killed_worker_takes_its_children_along_and_its_task_runs_again() {
    let server = Server::impatient();
    let mut worker = server.worker("--group g --pod p --name w1 --allow-commands");
    let file = server.place().path().join("ids").display().to_string();
    let script = format!("echo $$ >>{file}; test $CAPATAZ_ATTEMPT = 2 || sleep 300");
    let id = server.submit_script("--group g", &script);
    let child: i32 = until("it has begun", || {
        server.place().read("ids").trim().parse().ok()
    });
    server.until_state(&id, "running");
    worker.kill();
    until("the guard has killed the child", || {
        (!alive(child)).then_some(())
    });
    let _next = server.worker("--group g --pod p --name w2 --allow-commands");
    server.run(&format!("wait {id}")).exits(0);
    let attempts = server.task(&id)["attempts"].clone();
    let outcomes: Vec<&Value> = attempts
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| &attempt["outcome"])
        .collect();
    assert_eq!(outcomes, ["lost", "succeeded"], "{attempts}");
    assert_eq!(
        (&attempts[0]["worker"], &attempts[1]["worker"]),
        (&json!("w1"), &json!("w2"))
    );
}

#[test]
fn a_task_whose_budget_of_lost_workers_is_used_up_has_failed() {
    let server = Server::impatient();
    let mut worker = server.worker("--group g --pod p --name w --allow-commands");
    let id = server.submit_script("--group g --max-lost 0", "sleep 300");
    server.until_state(&id, "running");
    worker.kill();
    assert_eq!(server.run(&format!("wait {id}")).exit, 2);
    assert_eq!(server.task(&id)["reason"], "worker_lost");
}

#[test]
fn a_worker_paused_beyond_its_lease_cannot_report_what_it_lost() {
    let server = Server::impatient();
    let mut paused = server.worker("--group g --pod p --name w1 --allow-commands");
    let file = server.place().path().join("ids").display().to_string();
    let script = format!("echo $$ >>{file}; test $CAPATAZ_ATTEMPT = 2 || sleep 300");
    let id = server.submit_script("--group g", &script);
    let child: i32 = until("it has begun", || {
        server.place().read("ids").trim().parse().ok()
    });
    server.until_state(&id, "running");
    paused.signal(Signal::SIGSTOP);
    until("the guard has killed the child", || {
        (!alive(child)).then_some(())
    });
    let _next = server.worker("--group g --pod p --name w2 --allow-commands");
    server.run(&format!("wait {id}")).exits(0);
    paused.signal(Signal::SIGCONT);
    // It joins again, and is of use again.
    let more = server.submit_script("--group g --count 20", "sleep 0.02");
    server.run(&format!("wait {more}")).exits(0);
    let task = server.task(&id);
    assert_eq!(
        (&task["state"], &task["attempt"]),
        (&json!("succeeded"), &json!(2)),
        "{task}"
    );
    let elements = server.items(&format!("task list --array {more}"));
    until("both share the work", || {
        let id = server.submit_script("--group g --count 10", "sleep 0.02");
        server.run(&format!("wait {id}")).exits(0);
        let elements = server.items(&format!("task list --array {id}"));
        elements
            .iter()
            .any(|element| element["worker"] == "w1")
            .then_some(())
    });
    assert_eq!(elements.len(), 20);
}

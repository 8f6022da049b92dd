//! What an operator does: cancel, retry, pause, drain, look.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Process, Server, alive, until};

/// The process ids that tasks wrote into a file, one a line.
fn ids_in(server: &Server, name: &str) -> Vec<i32> {
    server
        .place()
        .read(name)
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect()
}

#[test]
fn cancelling_what_runs_kills_it_and_all_it_started() {
    let server = Server::start();
    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    let file = server.place().path().join("ids").display().to_string();
    // One child in a session of its own: a signal to the group alone would miss it.
    let script = format!("echo $$ >>{file}; setsid sleep 300 & echo $! >>{file}; sleep 300");
    let id = server.submit_script("--group g", &script);
    let ids = until("both have begun", || {
        Some(ids_in(&server, "ids")).filter(|ids| ids.len() == 2)
    });
    assert!(ids.iter().all(|id| alive(*id)));
    server.run(&format!("task cancel {id}")).exits(0);
    assert_eq!(server.run(&format!("wait {id}")).exit, 3);
    until("nothing of it lives", || {
        (!ids.iter().any(|id| alive(*id))).then_some(())
    });
    let task = server.task(&id);
    assert_eq!(
        (&task["state"], &task["attempts"][0]["outcome"]),
        (&json!("cancelled"), &json!("cancelled"),)
    );
    server
        .run_argv("submit --group g --wait", &["true"])
        .exits(0);
}

#[test]
fn a_retry_opens_the_next_round_and_goes_on_counting_attempts() {
    let server = Server::start();
    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    let flag = server.place().path().join("flag").display().to_string();
    let flags = "--group g --max-attempts 2 --backoff 10ms";
    let id = server.submit_script(flags, &format!("test -e {flag} && echo $CAPATAZ_ATTEMPT"));
    assert_eq!(server.run(&format!("wait {id}")).exit, 2);
    let task = server.task(&id);
    assert_eq!(
        (&task["round"], &task["attempt"], &task["reason"]),
        (&json!(1), &json!(2), &json!("error"),)
    );
    assert_eq!(task["attempts"][0]["exit_code"], 1);
    server.place().write("flag", "");
    server.run(&format!("task retry {id}")).exits(0);
    assert_eq!(server.run(&format!("wait {id}")).exit, 0);
    let task = server.task(&id);
    assert_eq!(
        (&task["round"], &task["attempt"], &task["output"]),
        (&json!(2), &json!(3), &json!("3\n"),)
    );
    // What succeeded can be asked for again, too.
    server.run(&format!("task retry {id}")).exits(0);
    assert_eq!(server.run(&format!("wait {id}")).exit, 0);
    assert_eq!(server.task(&id)["output"], "4\n");
}

#[test]
fn a_paused_group_starts_nothing_until_it_is_resumed() {
    let server = Server::start();
    let _worker = server.worker("--group g --group h --pod p --name w --allow-commands");
    server.run("group pause g").exits(0);
    let id = server.run_argv("submit --group g", &["true"]).exits(0);
    let id = id.trim();
    server
        .run_argv("submit --group h --wait", &["true"])
        .exits(0);
    assert_eq!(
        server.task(id)["state"],
        "queued",
        "the worker was free, and took another's"
    );
    let explained = server.run(&format!("explain {id}")).exits(0);
    assert!(explained.contains("paused"), "{explained}");
    server.run("group resume g").exits(0);
    server.run(&format!("wait {id}")).exits(0);

    server.run("pod pause p").exits(0);
    let id = server.run_argv("submit --group g", &["true"]).exits(0);
    let id = id.trim();
    assert_eq!(server.run(&format!("wait {id} --timeout 300ms")).exit, 4);
    server.run("pod resume p").exits(0);
    server.run(&format!("wait {id}")).exits(0);
}

#[test]
fn a_drained_worker_finishes_takes_nothing_new_and_ends() {
    let server = Server::start();
    let mut worker = server.worker("--group g --pod p --name w1 --allow-commands");
    let gate = server.place().path().join("gate").display().to_string();
    let script = format!("until test -e {gate}; do sleep 0.05; done; echo done");
    let first = server.submit_script("--group g", &script);
    server.until_state(&first, "running");
    let second = server.run_argv("submit --group g", &["true"]).exits(0);
    server.run("worker drain w1").exits(0);
    worker.must_run();
    server.place().write("gate", "");
    server.run(&format!("wait {first}")).exits(0);
    assert_eq!(worker.ended().code(), Some(0));
    assert_eq!(server.task(second.trim())["state"], "queued");
    let _next = server.worker("--group g --pod p --name w2 --allow-commands");
    server.run(&format!("wait {}", second.trim())).exits(0);
}

#[test]
fn a_terminated_worker_finishes_what_it_runs() {
    let server = Server::start();
    let mut worker = server.worker("--group g --pod p --name w1 --allow-commands");
    let id = server.submit_script("--group g", "sleep 1; echo done");
    server.until_state(&id, "running");
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().code(), Some(0));
    let task = server.task(&id);
    assert_eq!(
        (&task["state"], &task["attempt"]),
        (&json!("succeeded"), &json!(1)),
        "{task}"
    );
}

#[test]
fn what_a_stopping_worker_does_not_finish_in_time_goes_to_another() {
    let server = Server::start();
    let mut worker = server.worker("--group g --pod p --name w1 --drain 500ms --allow-commands");
    let id = server.submit_script("--group g", "test $CAPATAZ_ATTEMPT = 2 || sleep 300");
    server.until_state(&id, "running");
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().code(), Some(0));
    let task = server.task(&id);
    assert_eq!(
        (&task["state"], &task["attempts"][0]["outcome"]),
        (&json!("queued"), &json!("released"),),
        "{task}"
    );
    let _next = server.worker("--group g --pod p --name w2 --allow-commands");
    server.run(&format!("wait {id}")).exits(0);
    let task = server.task(&id);
    assert_eq!(
        (&task["attempt"], &task["worker"]),
        (&json!(2), &json!("w2")),
        "{task}"
    );
}

#[test]
fn a_worker_without_a_valid_token_ends_and_says_why() {
    let server = Server::start();
    let flags = ["worker", "--group", "g", "--pod", "p", "--allow-commands"];
    let mut command = server.command(&flags);
    command.env("CAPATAZ_TOKEN", "wrong");
    let mut worker = Process::start(command, &server.place().path().join("worker.log"));
    assert_eq!(worker.ended().code(), Some(1));
    assert!(worker.said().contains("token"), "{}", worker.said());
}

#[test]
fn a_second_worker_of_a_name_is_refused_while_the_first_lives() {
    let server = Server::start();
    let mut first = server.worker("--group g --pod p --name w --allow-commands");
    until("the first has joined", || {
        first.said().contains("runs tasks").then_some(())
    });
    let mut second = server.worker("--group g --pod q --name w --allow-commands");
    assert_eq!(second.ended().code(), Some(1));
    assert!(
        second.said().contains("runs on this host already"),
        "{}",
        second.said()
    );
    server
        .run_argv("submit --group g --wait", &["true"])
        .exits(0);
    first.must_run();
    first.kill();
    let _third = server.worker("--group g --pod p --name w --allow-commands");
    server
        .run_argv("submit --group g --wait", &["true"])
        .exits(0);
}

#[test]
fn a_fixed_command_is_all_that_a_worker_runs() {
    let server = Server::start();
    let mut command = server.command(&["worker", "--group", "g", "--pod", "p", "--name", "w"]);
    command.args(["--", "/bin/sh", "-c", "printf 'fixed: '; cat"]);
    let _worker = Process::start(command, &server.place().path().join("worker.log"));
    let id = server
        .run("submit --group g --payload hello --wait")
        .exits(0);
    assert_eq!(server.task(id.trim())["output"], "fixed: hello");
    let id = server
        .run_argv("submit --group g", &["touch", "evil"])
        .exits(0);
    assert_eq!(
        server.run(&format!("wait {}", id.trim())).exit,
        2,
        "{}",
        server.task(id.trim())
    );
    assert!(!server.place().path().join("evil").exists());
}

#[test]
fn a_group_never_runs_more_than_its_bound() {
    let server = Server::start();
    let _worker = server.worker("--group g --pod p --pod-slots 8 --name w --allow-commands");
    server.run("group set g --max-running 3").exits(0);
    let log = server.place().path().join("log").display().to_string();
    let script = crate::harness::begins_and_ends(&log, "0.05");
    let argv = ["/bin/sh", "-c", &script];
    server
        .run_argv("submit --group g --count 30 --wait", &argv)
        .exits(0);
    let (most, begun) = crate::harness::most_at_once(&server.place().read("log"));
    assert_eq!((most, begun), (3, 30));
}

#[test]
fn a_delayed_task_waits_and_an_expired_one_fails() {
    let server = Server::start();
    let id = server.submit_script("--group g --expires-in 300ms", "true");
    assert_eq!(server.run(&format!("wait {id}")).exit, 2);
    assert_eq!(server.task(&id)["reason"], "expired");
    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    let id = server.submit_script("--group g --delay 1s", "true");
    assert_eq!(server.task(&id)["state"], "scheduled");
    server.run(&format!("wait {id}")).exits(0);
    let task = server.task(&id);
    let second = |field: &str| {
        let time = task[field].as_str().unwrap();
        time[17..26].parse::<f64>().unwrap()
    };
    let waited = (second("started_at") - second("submitted_at")).rem_euclid(60.0);
    // A delay counts from when the server heard of it, a little before the task was accepted.
    assert!((0.9..20.0).contains(&waited), "{task}");
}

#[test]
fn the_doctor_and_the_statistics_see_a_server() {
    let server = Server::start();
    let data = server.data().display().to_string();
    let run = server.run(&format!("doctor --data-dir {data} --output json"));
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    let checks = found["checks"].as_array().unwrap();
    let of_server = checks
        .iter()
        .find(|check| check["name"] == "server")
        .unwrap();
    assert_eq!(of_server["verdict"], "ok", "{found}");
    server.submit_script("--group g --tag t", "true");
    let stats = server.run("stats --tag t").exits(0);
    assert!(stats.lines().any(|line| line.starts_with('g')), "{stats}");
}

#[test]
fn over_its_disk_quota_a_server_refuses_new_tasks_until_it_has_a_larger_one() {
    let mut server = Server::start();
    let settings = server.place().path().join("capataz.toml");
    for (quota, exit) in [("1 MiB", 1), ("200 GiB", 0)] {
        server.stop();
        // The journal alone takes more than the first.
        std::fs::write(&settings, format!("[serve]\ndisk_quota = \"{quota}\"\n")).unwrap();
        server.restart();
        assert_eq!(server.run("submit -- true").exit, exit, "{quota}");
    }
}

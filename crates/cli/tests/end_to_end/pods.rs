//! A pod: over all its workers and groups, no more runs in it than it has slots.

use serde_json::json;

use crate::harness::{Process, Server, alive, begins_and_ends, most_at_once, until};

/// Three workers of two groups in one pod, two of them able to run many attempts.
fn workers(server: &Server, slots: u32) -> [Process; 3] {
    let start = |name: &str, groups: &str, concurrency: u32| {
        let flags = format!("--pod p --pod-slots {slots} --concurrency {concurrency}");
        server.worker(&format!("{groups} {flags} --name {name} --allow-commands"))
    };
    [
        start("w1", "--group a --group b", 4),
        start("w2", "--group a", 4),
        start("w3", "--group b", 1),
    ]
}

fn most_of_forty(slots: u32) -> usize {
    let server = Server::start();
    let log = server.place().path().join("log").display().to_string();
    let script = begins_and_ends(&log, "0.03");
    for group in ["a", "b"] {
        let argv = ["/bin/sh", "-c", &script];
        server
            .run_argv(&format!("submit --group {group} --count 20 --tag t"), &argv)
            .exits(0);
    }
    let _workers = workers(&server, slots);
    server.run("wait --tag t").exits(0);
    let (most, begun) = most_at_once(&server.place().read("log"));
    assert_eq!(begun, 40);
    most
}

#[test]
fn three_workers_of_two_groups_in_a_pod_run_one_after_the_other() {
    assert_eq!(most_of_forty(1), 1);
}

#[test]
fn two_slots_are_used_and_never_a_third() {
    assert_eq!(most_of_forty(2), 2);
}

#[test]
fn a_pod_that_holds_waits_for_the_worker_it_lost_or_an_operator() {
    let server = Server::impatient();
    server.run("pod set p --on-lost hold").exits(0);
    let mut lost = server.worker("--group g --pod p --name w1 --allow-commands");
    let file = server.place().path().join("ids").display().to_string();
    let script = format!("echo $$ >>{file}; test $CAPATAZ_ATTEMPT = 2 || sleep 300");
    let id = server.submit_script("--group g", &script);
    let child: i32 = until("it has begun", || {
        server.place().read("ids").trim().parse().ok()
    });
    lost.kill();
    let _other = server.worker("--group g --pod p --name w2 --allow-commands");
    until("the slot is held", || {
        server
            .items("pod list")
            .iter()
            .any(|pod| pod["held"] != json!([]))
            .then_some(())
    });
    assert_eq!(
        server.run(&format!("wait {id} --timeout 500ms")).exit,
        4,
        "it is held"
    );
    until("the guard has killed the child", || {
        (!alive(child)).then_some(())
    });
    server.run("pod release p").exits(0);
    server.run(&format!("wait {id}")).exits(0);
}

#[test]
fn a_new_incarnation_gives_back_what_its_name_held() {
    let server = Server::impatient();
    server.run("pod set p --on-lost hold").exits(0);
    let mut lost = server.worker("--group g --pod p --name w --allow-commands");
    let id = server.submit_script("--group g", "test $CAPATAZ_ATTEMPT = 2 || sleep 300");
    server.until_state(&id, "running");
    lost.kill();
    until("the slot is held", || {
        server
            .items("pod list")
            .iter()
            .any(|pod| pod["held"] != json!([]))
            .then_some(())
    });
    let _next = server.worker("--group g --pod p --name w --allow-commands");
    server.run(&format!("wait {id}")).exits(0);
}

#[test]
fn slots_are_set_while_the_pod_works() {
    let server = Server::start();
    let _worker = server.worker("--group g --pod p --concurrency 4 --name w --allow-commands");
    let log = server.place().path().join("log").display().to_string();
    let script = begins_and_ends(&log, "0.05");
    let argv = ["/bin/sh", "-c", &script];
    server
        .run_argv("submit --group g --count 10 --wait", &argv)
        .exits(0);
    assert_eq!(
        most_at_once(&server.place().read("log")).0,
        1,
        "a pod has one slot by default"
    );
    server.run("pod set p --slots 3").exits(0);
    server
        .run_argv("submit --group g --count 20 --wait", &argv)
        .exits(0);
    assert_eq!(most_at_once(&server.place().read("log")).0, 3);
}

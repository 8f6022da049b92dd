//! What a run is given from outside when it starts and while it is under way, on the command line.

use serde_json::json;

use crate::harness::Server;

const ORDER: &str = r#"
name: order
message: { id: 0 }
defaults: { group: g }
steps:
  - { id: take, argv: [echo, '{"taken": true}'], alters_message: true }
"#;

#[test]
fn a_run_begins_with_the_message_that_it_is_given() {
    let server = Server::start();
    server.place().write("order.yaml", ORDER);
    server.run("workflow put order.yaml").exits(0);
    server.place().write("message.json", r#"{"id": 8}"#);
    let message = |flags: &str| {
        let id = server.run(&format!("run start order {flags}")).exits(0);
        server
            .run(&format!("run show {} -o json", id.trim()))
            .json()["message"]
            .clone()
    };
    assert_eq!(message(""), json!({"id": 0}));
    assert_eq!(message(r#"--message {"id":7}"#), json!({"id": 7}));
    assert_eq!(message("--message word"), json!("word"));
    assert_eq!(message("--message-file message.json"), json!({"id": 8}));

    let broken = server.run(r#"run start order --message {"id":"#);
    assert_eq!((broken.exit, broken.stdout.as_str()), (1, ""));
    server.place().write("broken.json", "{\n  \"id\": 8\n");
    let broken = server.run("run start order --message-file broken.json");
    assert_eq!(broken.exit, 1);
    assert!(broken.stderr.contains("broken.json"), "{}", broken.stderr);
    assert!(broken.stderr.contains("line 3"), "{}", broken.stderr);
    let both = server.run("run start order --message a --message-file message.json");
    assert_eq!(both.exit, 1);

    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    let run = server
        .run(r#"run start order --message {"id":9} --wait -o json"#)
        .json();
    assert_eq!(
        run["message"],
        json!({"taken": true}),
        "as its step has left it"
    );
    let id = run["id"].as_str().unwrap();
    let shown = server.run(&format!("run show {id}")).exits(0);
    assert!(shown.contains(r#"message: {"taken":true}"#), "{shown}");
}

#[test]
fn steps_are_added_to_a_run_from_outside() {
    let server = Server::start();
    server.place().write("order.yaml", ORDER);
    let id = server.run("run start --file order.yaml").exits(0);
    let id = id.trim();
    let add = |name: &str, text: &str| {
        server.place().write(name, text);
        server.run(&format!("run add-steps {id} --file {name}"))
    };
    let flawed = add(
        "flawed.yaml",
        "- { id: pack, group: g, argv: [echo], after: take }\n- id: send\n  group: g\n  argv: [echo]\n  after: pakc\n",
    );
    assert_eq!((flawed.exit, flawed.stdout.as_str()), (1, ""));
    assert!(
        flawed
            .stderr
            .starts_with("flawed.yaml:5:10: steps[1].after[0] names the step \"pakc\""),
        "{}",
        flawed.stderr
    );
    let twice = add("twice.json", r#"{"steps": [{"id": "take", "noop": true}]}"#);
    assert_eq!(twice.exit, 1);
    assert!(
        twice
            .stderr
            .starts_with("twice.json:1:19: steps[0].id is \"take\""),
        "{}",
        twice.stderr
    );
    for (name, text) in [
        ("broken.yaml", "- {"),
        ("other.yaml", "steps: 1\n"),
        ("none.yaml", "[]"),
    ] {
        let refused = add(name, text);
        assert_eq!(refused.exit, 1, "{}", refused.stderr);
        let told = refused.stderr.strip_prefix(&format!("{name}:"));
        let line = told.and_then(|told| told.split(':').next()?.parse::<u32>().ok());
        assert!(line > Some(0), "{}", refused.stderr);
    }
    let added = add(
        "more.yaml",
        "steps:\n  - { id: pack, group: g, argv: [echo], after: take }\n  - { id: send, noop: true, after: pack }\n",
    );
    assert_eq!(added.exits(0), "pack\nsend\n");
    let unknown = server.run("run add-steps r999999 --file more.yaml");
    assert_eq!(unknown.exit, 5, "{}", unknown.stderr);

    let _worker = server.worker("--group g --pod p --name w --allow-commands");
    server.run(&format!("run wait {id}")).exits(0);
    let run = server.run(&format!("run show {id} -o json")).json();
    assert_eq!(run["counts"]["succeeded"], 3, "{run}");
    let late = add("late.yaml", "- { id: late, noop: true }\n");
    assert_eq!(late.exit, 1);
    assert!(late.stderr.contains("has ended"), "{}", late.stderr);
}

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

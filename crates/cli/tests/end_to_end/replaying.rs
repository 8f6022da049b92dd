//! A recorded workflow, imported, run by real processes, and checked from the audit export by a script
//! that shares no code with Capataz; its server is killed on the way.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Server, until};

/// Layers of the recorded graph, and tasks of each: every one after two of the layer before.
const LAYERS: usize = 4;
const WIDTH: usize = 5;

/// What ran, as WfFormat 1.5 has it: each task took a second.
fn instance() -> Value {
    let id = |layer: usize, place: usize| format!("t{layer}_{}", place % WIDTH);
    let mut tasks = Vec::new();
    let mut runtimes = Vec::new();
    for layer in 0..LAYERS {
        for place in 0..WIDTH {
            let parents = match layer {
                0 => json!([]),
                _ => json!([id(layer - 1, place), id(layer - 1, place + 1)]),
            };
            let children = match layer + 1 {
                LAYERS => json!([]),
                below => json!([id(below, place), id(below, place + WIDTH - 1)]),
            };
            let own = id(layer, place);
            runtimes.push(json!({"id": own, "runtimeInSeconds": 1.0}));
            tasks.push(json!({"name": own, "id": own, "parents": parents, "children": children}));
        }
    }
    json!({
        "name": "layers", "schemaVersion": "1.5",
        "workflow": {
            "specification": {"tasks": tasks},
            "execution": {"tasks": runtimes},
        },
    })
}

#[test]
fn an_imported_workflow_runs_each_step_once_although_its_server_is_killed() {
    let mut server = Server::start();
    let _worker = server.worker("--group default --pod p --pod-slots 3 --name w --allow-commands");
    server.place().write("layers.json", instance().to_string());
    let imported = server
        .run("workflow import wfformat layers.json --time-scale 0.05")
        .exits(0);
    server.place().write("layers.yaml", &imported);
    let id = server.run("run start --file layers.yaml").exits(0);
    let id = id.trim();
    let ended = |server: &Server| {
        let run = server.run(&format!("run show {id} -o json")).json();
        let count = run["counts"]["succeeded"].as_u64();
        usize::try_from(count.expect("a count")).expect("few")
    };
    for part in [1, 2, 3] {
        until("a part of it has ended", || {
            (ended(&server) >= part * WIDTH).then_some(())
        });
        server.kill();
        server.restart();
    }
    server.run(&format!("run wait {id} --timeout 60s")).exits(0);
    assert_eq!(ended(&server), LAYERS * WIDTH);
    let audit = server.run(&format!("run audit {id}")).exits(0);
    server.place().write("audit.jsonl", &audit);
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let checked = Command::new("python3")
        .arg("-B")
        .arg(script.join("../../examples/check_run.py"))
        .args(["audit.jsonl", "layers.json", "--run", id])
        .current_dir(server.place().path())
        .output();
    match checked {
        Err(error) => eprintln!("NOT CHECKED: python3 does not start: {error}"),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            let why = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}{why}");
        }
    }
}

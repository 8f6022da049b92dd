//! Workflows and their runs, as a user of the command line has them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Place, Process, Run, Server, until};

const ETL: &str = r#"
name: etl
parameters:
  n: { type: integer }
  label: { type: string, default: none }
  fail: { type: string, default: "/no/such/file" }
defaults: { group: g }
result: "${outputs.count}"
steps:
  - { id: count, argv: [echo, "${params.n + 1}"] }
  - { id: gate, after: count, argv: [test, "!", -e, "${params.fail}"] }
  - { id: last, after: gate, argv: ["true"] }
  - { id: clean, after: [{ step: gate, on: failure }], argv: ["true"] }
"#;

fn begin() -> (Server, Process) {
    let server = Server::start();
    let worker = server.worker("--group g --pod p --pod-slots 4 --name w --allow-commands");
    server.place().write("etl.yaml", ETL);
    (server, worker)
}

fn states(run: &Value) -> Vec<(&str, &str)> {
    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }
    let steps = run["steps"].as_array().unwrap().iter();
    steps
        .map(|step| (text(&step["id"]), text(&step["state"])))
        .collect()
}

#[test]
fn a_workflow_is_registered_shown_and_taken_away() {
    let (server, _worker) = begin();
    assert_eq!(
        server.run("workflow put etl.yaml").exits(0),
        "etl: version 1\n"
    );
    assert_eq!(
        server.run("workflow put etl.yaml").exits(0),
        "etl: version 1, as before\n"
    );
    server
        .place()
        .write("etl2.yaml", ETL.replace("default: none", "default: some"));
    assert_eq!(
        server.run("workflow put etl2.yaml").exits(0),
        "etl: version 2\n"
    );
    let listed = server.listed("workflow list", 1);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["steps"]),
        (&json!("etl"), &json!(4))
    );
    let yaml = server
        .run("workflow show etl --version 1 --format yaml")
        .exits(0);
    server.place().write("again.yaml", &yaml);
    assert_eq!(
        server.run("workflow put again.yaml").exits(0),
        "etl: version 3\n"
    );
    let dot = server.run("workflow show etl --format dot").exits(0);
    assert!(dot.starts_with("digraph") && dot.contains("gate"), "{dot}");
    server.run("workflow clear etl").exits(0);
    server.run("workflow delete etl").exits(0);
    assert_eq!(server.run("run start etl").exit, 5);
    assert_eq!(server.run("workflow show other").exit, 5);
    server.place().write(
        "bad.yaml",
        "name: bad\nsteps:\n  - { id: a, group: g, after: b }\n",
    );
    let bad = server.run("workflow put bad.yaml");
    assert_eq!(bad.exit, 1);
    assert!(bad.stderr.starts_with("bad.yaml:3:"), "{}", bad.stderr);
}

#[test]
fn a_run_ends_with_its_result_and_the_exit_code_of_its_end() {
    let (server, _worker) = begin();
    server.run("workflow put etl.yaml").exits(0);
    let run = server
        .run("run start etl --param n=41 --param label=7 --wait -o json")
        .json();
    assert_eq!(run["result"], 42, "n was sent as a number: {run}");
    assert_eq!(run["parameters"]["label"], "7", "label was sent as a text");
    assert_eq!(states(&run)[3], ("clean", "skipped"));
    let id = run["id"].as_str().unwrap();
    assert_eq!(server.run(&format!("run wait {id}")).exit, 0);
    assert_eq!(server.run(&format!("run watch {id}")).exit, 0);

    server
        .place()
        .write("params.json", r#"{"n": 1, "label": "file"}"#);
    let line = "run start --file etl.yaml --params params.json --param label:=\"json\" --wait";
    let run = server.run(&format!("{line} -o json")).json();
    assert_eq!(
        run["parameters"]["label"], "json",
        "what is typed comes on top"
    );

    let refused = server.run("run start etl --param n=many");
    assert_eq!((refused.exit, refused.stdout.as_str()), (1, ""));
    assert!(
        refused.stderr.contains("\"n\" must be"),
        "{}",
        refused.stderr
    );
    assert_eq!(server.run("run show r999999").exit, 5);
    assert_eq!(server.run("run wait r999999").exit, 5);
}

#[test]
fn a_failed_run_is_retried_in_place_and_parts_of_it_run_again() {
    let (server, _worker) = begin();
    let flag = server.place().write("flag", "");
    let start = format!("run start --file etl.yaml --param n=1 --param fail={flag} --tag t");
    let failed = server.run(&format!("{start} --wait --progress"));
    assert_eq!(failed.exit, 2);
    assert!(
        failed.stderr.contains("4/4 done (100 %)"),
        "{}",
        failed.stderr
    );
    let listed = server.items("run list --tag t --state failed --since 1h");
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    let show = || server.run(&format!("run show {id} -o json")).json();
    let run = show();
    let (gate, last) = (&run["steps"][1], &run["steps"][2]);
    assert_eq!(
        (&gate["state"], &last["state"]),
        (&json!("failed"), &json!("skipped"))
    );
    let gantt = server
        .run(&format!("run show {id} --format gantt"))
        .exits(0);
    assert!(gantt.contains("gate"), "{gantt}");
    let explained = server.run(&format!("explain {id}")).exits(0);
    assert!(explained.starts_with(&format!("run {id}")), "{explained}");
    let task = gate["task"].as_str().unwrap();
    let blame = format!("step \"gate\" failed (error): exited with code 1; its task is {task}");
    assert!(explained.contains(&blame), "{explained}");
    assert!(
        explained.contains(&format!("capataz run retry {id}")),
        "{explained}"
    );

    std::fs::remove_file(flag).unwrap();
    assert_eq!(
        server.run(&format!("run retry {id}")).exits(0),
        format!("{id}\n")
    );
    assert_eq!(server.run(&format!("run wait {id}")).exit, 0);
    let retried = show();
    assert_eq!(retried["round"], 2);
    assert_eq!(
        retried["steps"][0]["round"], 1,
        "what had succeeded did not run again"
    );
    assert_eq!(retried["steps"][2]["state"], "succeeded");

    server
        .run(&format!("run rerun {id} --from gate --only"))
        .exits(0);
    server.run(&format!("run wait {id}")).exits(0);
    let rounds: Vec<_> = show()["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["round"].clone())
        .collect();
    assert_eq!(
        rounds[1].as_u64().unwrap(),
        retried["steps"][1]["round"].as_u64().unwrap() + 1
    );
    assert_eq!(rounds[2], retried["steps"][2]["round"], "only the gate");

    let before = run["finished_at"].as_str().unwrap();
    let then = server
        .run(&format!("run show {id} --at {before} -o json"))
        .json();
    assert_eq!(then["state"], "failed", "as it stood then");
    let audit = server.run(&format!("run audit {id}")).lines();
    let actions: BTreeSet<String> = audit
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].to_string())
        .collect();
    assert!(actions.len() > 3, "{actions:?}");
}

#[test]
fn a_run_is_paused_resumed_and_cancelled() {
    let (server, _worker) = begin();
    server.place().write(
        "slow.yaml",
        "name: slow\ndefaults: { group: nobody }\nsteps: [{ id: a, argv: [\"true\"] }]\n",
    );
    let id = server
        .run("run start --file slow.yaml --key k --tag t")
        .exits(0);
    let id = id.trim();
    let again = server
        .run("run start --file slow.yaml --key k --tag t")
        .exits(0);
    assert_eq!(again.trim(), id, "the same key is the same run");
    server.run(&format!("run pause {id}")).exits(0);
    let explained = server.run(&format!("explain run {id} -o json")).json();
    let kinds = explained["obstacles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["kind"].clone());
    assert!(
        kinds.into_iter().any(|kind| kind == "run_paused"),
        "{explained}"
    );
    server.run(&format!("run resume {id}")).exits(0);
    let waited = server.run(&format!("run wait {id} --timeout 100ms"));
    assert_eq!(waited.exit, 4);
    assert!(waited.stderr.contains("explain run"), "{}", waited.stderr);
    let task = until("the step's task is listed", || {
        server.items(&format!("task list --run {id}")).pop()
    });
    assert_eq!((&task["run"], &task["step"]), (&json!(id), &json!("a")));
    let shown = server
        .run(&format!("task show {}", task["id"].as_str().unwrap()))
        .exits(0);
    assert!(shown.contains(&format!("{id} a")), "{shown}");
    server
        .run(&format!("run cancel {id} --reason wrong"))
        .exits(0);
    assert_eq!(server.run(&format!("run wait {id}")).exit, 3);
    assert_eq!(server.run(&format!("run watch {id}")).exit, 3);
    assert_eq!(server.run("run wait --tag t").exit, 0, "nothing alive");
}

#[test]
fn a_step_adds_steps_to_its_own_run() {
    let server = Server::start();
    let mut command = server.command(&[
        "worker",
        "--group",
        "g",
        "--pod",
        "p",
        "--name",
        "w",
        "--allow-commands",
        "--env-pass",
        "CAPATAZ_SERVER",
        "--env-pass",
        "CAPATAZ_TOKEN",
    ]);
    command.env("LC_ALL", "C");
    let _worker = Process::start(command, &server.place().path().join("worker.log"));
    let script = format!(
        r#"echo '[{{"id": "more", "group": "g", "after": "plan", "argv": ["echo", "added"]}}]' | {} run add-steps --file -"#,
        env!("CARGO_BIN_EXE_capataz")
    );
    let definition = json!({
        "name": "grows",
        "steps": [{"id": "plan", "group": "g", "argv": ["sh", "-euc", script]}],
    });
    server.place().write("grows.json", definition.to_string());
    let run = server
        .run("run start --file grows.json --wait -o json")
        .json();
    assert_eq!(
        states(&run),
        [("plan", "succeeded"), ("more", "succeeded")],
        "{run}"
    );
    let outside = server.run("run add-steps r1 --file grows.json");
    assert_eq!(outside.exit, 1);
    assert!(
        outside
            .stderr
            .starts_with("grows.json:1:9: name is not a known field"),
        "{}",
        outside.stderr
    );
}

#[test]
fn a_run_is_started_for_each_line_of_a_file() {
    let (server, _worker) = begin();
    server.run("workflow put etl.yaml").exits(0);
    let days = "{\"n\": 1}\n{\"n\": 2, \"label\": \"two\"}\n\n{\"n\": 3}\n";
    server.place().write("days.jsonl", days);
    let line = "run start etl --each-line days.jsonl --param label=all --key sweep";
    let ended = server.run(&format!("{line} --wait -o json")).json();
    let runs = ended["items"].as_array().expect("runs");
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|run| run["state"] == "succeeded"));
    let label = |place: usize| {
        let id = runs[place]["id"].as_str().expect("an id");
        let run = server.run(&format!("run show {id} -o json")).json();
        (run["result"].clone(), run["parameters"]["label"].clone())
    };
    assert_eq!(label(0), (json!(2), json!("all")));
    assert_eq!(label(1), (json!(3), json!("two")), "a line comes on top");
    // Its key makes the same command again the same runs.
    let again = server.run(line).exits(0);
    let ids: Vec<&str> = again.lines().collect();
    assert_eq!(ids, [&runs[0]["id"], &runs[1]["id"], &runs[2]["id"]]);

    let bad = "{\"n\": 1}\n{\"m\": 2}\n";
    server.place().write("bad.jsonl", bad);
    let refused = server.run("run start etl --each-line bad.jsonl");
    assert_eq!((refused.exit, refused.stdout.lines().count()), (1, 1));
    let told = &refused.stderr;
    assert!(told.contains("bad.jsonl:2:"), "{told}");
    assert!(told.contains("1 of 2 runs were not started"), "{told}");
}

#[test]
fn a_file_that_cannot_run_is_refused_with_line_and_reason() {
    let place = Place::new();
    let step = |id: u32, after: &str| format!("  - {{ id: s{id}, group: g, after: [{after}] }}\n");
    let cyclic: String = step(0, "s2") + &step(1, "s0") + &step(2, "s1");
    let unknown = step(0, "") + &step(1, "s0, nobody");
    let deep: String = (0..=1_000_u32)
        .map(|id| {
            step(
                id,
                &id.checked_sub(1)
                    .map_or(String::new(), |id| format!("s{id}")),
            )
        })
        .collect();
    let files = [
        (cyclic, "3:", "s0 -> s1 -> s2 -> s0"),
        (unknown, "4:", "nobody"),
        (deep, "1003:", "1000"),
    ];
    for (steps, line, reason) in files {
        place.write("bad.yaml", format!("name: bad\nsteps:\n{steps}"));
        let refused = Run::of(place.command(&["workflow", "validate", "bad.yaml"]));
        assert_eq!(refused.exit, 1);
        let told = &refused.stderr;
        assert!(told.starts_with(&format!("bad.yaml:{line}")), "{told}");
        assert!(told.contains(reason), "{told}");
    }
}

#[test]
fn a_drawing_says_what_each_step_waits_for() {
    let server = Server::start();
    server.place().write("etl.yaml", ETL);
    let id = server.run("run start --file etl.yaml -p n=1").exits(0);
    let drawn = server
        .run(&format!("run show {} --format dag", id.trim()))
        .exits(0);
    let line = |step: &str| {
        let mut lines = drawn.lines();
        let found = lines.find(|line| line.contains(&format!(" {step} ")));
        found.unwrap_or_else(|| panic!("{drawn}"))
    };
    assert!(line("count").ends_with("waits for a worker"), "{drawn}");
    assert!(line("last").ends_with("waits for gate"), "{drawn}");
}

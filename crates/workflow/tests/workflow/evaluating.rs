//! What a run's steps are given.

use std::sync::Arc;

use capataz_workflow::Workflow;
use serde_json::json;

use super::{Run, parsed};

pub(super) const TEXT: &str = r#"
name: media
parameters:
  day: { type: string }
  n: { type: integer, default: 1 }
defaults:
  group: g
  env: { DAY: "${params.day}", KEEP: all }
  tags: ["${run.workflow}"]
  timeout: 1m 30s
priority: 6
tags: ["day ${params.day}"]
conflict_key: "${params.day}"
message: { day: "${params.day}" }
repeat: { until: message.done, params: { n: "${params.n + 1}" } }
result: { all: "${outputs.cut}", "text": "n=${params.n}" }
steps:
  - id: probe
    argv: [probe, "--day=${params.day}", "$${not}", "${params.n} of ${[1, 2]}"]
  - id: cut
    after: probe
    when: outputs.probe.count > 0
    for_each: outputs.probe.items
    env: { KEEP: "${item.name}", PLACE: "${index}" }
    tags: [own]
    priority: 9
    payload: { item: "${item}", first: "${outputs.probe.items[0].name}", label: "is ${item}" }
  - id: sum
    after: cut
    meta: { of: "${outputs.cut.map(c, c == null ? 0 : c)}", was: "${steps.cut.state}" }
    payload: "${message}"
  - id: fixed
    for_each: [1, "${params.day}", { a: ["${run.id}"] }]
"#;

fn workflow() -> Workflow {
    parsed(TEXT)
}

fn run() -> Run {
    Run::with(json!({ "day": "mon", "n": 4 })).output(
        0,
        r#"{"count": 2, "items": [{"name": "x"}, {"name": "y"}]}"#,
    )
}

#[test]
fn a_task_is_a_task_spec() {
    let task = workflow().task(0, &run(), None).unwrap();
    assert_eq!(
        task,
        json!({
            "group": "g", "priority": 6, "timeout": "1m 30s", "tags": ["media"],
            "env": { "DAY": "mon", "KEEP": "all" },
            "argv": ["probe", "--day=mon", "${not}", "4 of [1,2]"]
        })
    );
    let spec = capataz_api::spec::parse_task(task.to_string().as_bytes(), 1024).unwrap();
    assert_eq!(
        (spec.group.as_str(), spec.timeout_us),
        ("g", Some(90_000_000))
    );
}

#[test]
fn elements_are_rendered_one_by_one() {
    let (workflow, run) = (workflow(), run());
    let inputs = workflow.inputs(1, &run);
    assert_eq!(inputs.when(), Ok(true));
    let items = inputs.items().unwrap();
    assert_eq!(items, [json!({ "name": "x" }), json!({ "name": "y" })]);
    let task = inputs.task(Some((1, &items[1]))).unwrap();
    assert_eq!(
        task,
        json!({
            "group": "g", "priority": 9, "timeout": "1m 30s", "tags": ["own"],
            "env": { "DAY": "mon", "KEEP": "y", "PLACE": "1" },
            "payload": { "item": { "name": "y" }, "first": "x", "label": "is {\"name\":\"y\"}" }
        })
    );
    let items = workflow.items(3, &run).unwrap();
    assert_eq!(items, [json!(1), json!("mon"), json!({ "a": ["run-7"] })]);
}

#[test]
fn outputs_of_elements_are_a_list() {
    let mut run = run().message("[1]");
    run.elements.insert(
        1,
        vec![Some(b"10".to_vec()), None, Some(b"{\"a\":1}".to_vec())],
    );
    run.states.insert(1, "succeeded".to_owned());
    let task = workflow().task(2, &run, None).unwrap();
    assert_eq!(
        task["meta"],
        json!({ "of": [10, 0, { "a": 1 }], "was": "succeeded" })
    );
    assert_eq!(task["payload"], json!([1]));
    let result = workflow().result(&run).unwrap();
    assert_eq!(
        result,
        Some(json!({ "all": [10, null, { "a": 1 }], "text": "n=4" }))
    );
}

/// Fields without expressions are read once; what comes of it is what the whole document says.
#[test]
fn a_spec_is_what_is_read_of_the_task() {
    let workflow = parsed(
        r#"
name: all
parameters: { x: { type: object } }
defaults: { group: g, env: { B: "${params.x.env}", A: plain }, tags: [a, b], meta: { of: 1 } }
steps:
  - { id: plain, argv: [run, it], max_attempts: 3, affinity: [here], payload: { a: [1, null] } }
  - { id: text, payload: "n is ${params.x.n}", tags: ["${params.x.n}"], meta: "${params.x.meta}" }
  - { id: value, payload: "${params.x.payload}", argv: ["${params.x.n}"], env_secret: [S] }
  - { id: key, affinity: ["${params.x.env}", "k"], backoff: 5s, payload: "$${" }
"#,
    );
    let deep = (0..70).fold(json!(1), |inner, _| json!([inner]));
    let given = [
        json!({ "env": "e", "n": 2, "meta": null, "payload": null }),
        json!({ "env": "Mañana\n", "n": "", "meta": { "z": 1.5 }, "payload": [1, "\u{0}", {}] }),
        json!({ "env": "a\u{0}b", "n": "t\nt", "meta": "x".repeat(20_000), "payload": "text" }),
        json!({ "env": "e", "n": true, "meta": deep, "payload": deep }),
        json!({ "env": "e", "n": 1, "meta": 1, "payload": "x".repeat(2 << 20) }),
    ];
    for given in given {
        let run = Run::with(json!({ "x": given }));
        for step in 0..workflow.steps().len() {
            let inputs = workflow.inputs(step, &run);
            let whole = inputs.task(None).map(|task| {
                let limit = capataz_api::limits::PAYLOAD_BYTES;
                capataz_api::spec::parse_task(task.to_string().as_bytes(), limit)
            });
            let whole = match whole {
                Ok(read) => read.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let spec = inputs.spec(None).map_err(|error| error.to_string());
            assert_eq!(spec, whole, "step {step}");
        }
    }
}

#[test]
fn a_run_as_a_whole_is_evaluated() {
    let (workflow, run) = (workflow(), run().message("{\"done\": false}"));
    assert_eq!(workflow.tags(&run).unwrap(), ["day mon"]);
    assert_eq!(workflow.conflict_key(&run).unwrap().as_deref(), Some("mon"));
    assert_eq!(
        workflow.message(&run).unwrap(),
        Some(json!({ "day": "mon" }))
    );
    assert_eq!(workflow.repeat_until(&run), Ok(Some(false)));
    let params = workflow.repeat_params(&run).unwrap();
    assert_eq!(json!(params), json!({ "day": "mon", "n": 5 }));
    let plain = parsed("name: w\nsteps: [{id: a, noop: true}]");
    assert_eq!(plain.conflict_key(&run), Ok(None));
    assert_eq!(plain.message(&run), Ok(None));
    assert_eq!(plain.repeat_until(&run), Ok(None));
    assert_eq!(plain.when(0, &run), Ok(true));
}

#[test]
fn what_fails_says_where_and_why() {
    let workflow = workflow();
    let refused = |run: Run| workflow.when(1, &run).unwrap_err().to_string();
    let at = "steps[1].when (line 22, column 11): `outputs.probe.count > 0`";
    assert_eq!(
        refused(Run::new().output(0, "hello")),
        format!(
            "{at}: the output of the step \"probe\" is not JSON: expected value at line 1 column 1; \
             let the step print JSON"
        )
    );
    assert_eq!(
        refused(Run::new()),
        format!("{at}: the step \"probe\" has no output; `has(outputs.probe)` asks whether it has")
    );
    assert_eq!(
        refused(Run::new().output(0, "{\"count\": \"two\"}")),
        format!("{at}: `>` does not take string and int")
    );
    let items = workflow.items(1, &Run::new().output(0, "{\"items\": 3}"));
    let items = items.unwrap_err().to_string();
    assert!(
        items.ends_with("`outputs.probe.items`: must be a list, got int"),
        "{items}"
    );
    // In `defaults`, by way of a step.
    let defaults = workflow.task(0, &Run::with(json!({})), None).unwrap_err();
    assert_eq!(defaults.path, "steps[0].argv[1]");
    let run = Run::with(json!({ "n": 1 }));
    let defaults = workflow.task(3, &run, Some((0, &json!(1)))).unwrap_err();
    assert_eq!(defaults.path, "defaults.env.DAY");
    let key = workflow
        .conflict_key(&Run::with(json!({ "day": "" })))
        .unwrap_err();
    assert_eq!(
        key.problem.to_string(),
        "gives \"\", which must not be empty"
    );
    let run = Run::with(json!({ "day": "mon" })).output(1, "[]");
    let message = workflow.task(2, &run, None).unwrap_err();
    assert_eq!(message.problem.to_string(), "the run has no message");
}

#[test]
fn has_asks_for_outputs() {
    let text = "name: w\nsteps:\n- {id: a b, group: g}\n- {id: c, group: g, after: {step: a b, on: any}, payload: \"${'a b' in outputs ? outputs['a b'].x : 'none'}\"}";
    let workflow = parsed(text);
    assert!(workflow.steps()[0].keeps_output);
    let without = workflow.task(1, &Run::new(), None).unwrap();
    assert_eq!(without["payload"], json!("none"));
    let with = workflow
        .task(1, &Run::new().output(0, "{\"x\": 1}"), None)
        .unwrap();
    assert_eq!(with["payload"], json!(1));
}

#[test]
fn a_workflow_can_be_shared() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Arc::new(workflow()));
}

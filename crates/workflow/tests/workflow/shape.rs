//! The graph that the engine sees, and what the document says of runs.

use std::time::Duration;

use capataz_workflow::{
    Definition, Join, Kind, On, OnConflict, Parameter, Repeat, StepDefinition, Workflow, limits,
};
use serde_json::json;

use super::parsed;

pub(super) const ETL: &str = r#"
name: etl
description: Loads a day
parameters:
  day: { type: string, default: "2026-01-01" }
  n: { type: integer, default: 0 }
defaults: { group: etl, max_attempts: 3, env: { DAY: "${params.day}" } }
priority: 7
tags: [nightly, "${params.day}"]
max_runs: 10
max_steps: 100
backoff: { after: 3, initial: 10s, factor: 2, max: 1h }
conflict_key: "${params.day}"
on_conflict: refuse
sticky: true
message: { day: "${params.day}", done: false }
repeat: { until: message.done, params: { n: "${params.n + 1}" }, max: 10 }
result: "${outputs.load}"
steps:
  - id: list
    argv: ["ls", "${params.day}"]
  - id: load
    after: list
    for_each: outputs.list
    parallelism: 10
    priority: 9
    argv: ["load", "${item}", "${index}"]
  - id: mend
    group: night
    after: [{ step: load, on: failure }]
    allow_failure: true
    argv: [mend]
  - id: end
    noop: true
    join: any
    after: [{ step: load, on: any }, mend]
  - id: mark
    after: end
    when: "'list' in outputs && steps.load.state == 'succeeded'"
    alters_message: true
    argv: [mark]
"#;

#[test]
fn the_graph_is_what_the_document_says() {
    let workflow = parsed(ETL);
    let steps = workflow.steps();
    let ids = steps.iter().map(|step| step.id.as_str());
    assert_eq!(
        ids.collect::<Vec<_>>(),
        ["list", "load", "mend", "end", "mark"]
    );
    assert_eq!(steps[0].after, []);
    assert_eq!(steps[1].after, [(0, On::Success)]);
    assert_eq!(steps[2].after, [(1, On::Failure)]);
    assert_eq!(steps[3].after, [(1, On::Any), (2, On::Success)]);
    assert_eq!((steps[2].join, steps[3].join), (Join::All, Join::Any));
    assert_eq!((steps[2].kind, steps[3].kind), (Kind::Task, Kind::Noop));
    assert_eq!(steps[0].group.as_deref(), Some("etl"));
    assert_eq!(steps[2].group.as_deref(), Some("night"));
    assert_eq!(steps[3].group, None);
    assert_eq!((steps[0].priority, steps[1].priority), (7, 9));
    assert!(steps[1].has_for_each && !steps[0].has_for_each);
    assert_eq!(steps[1].parallelism, Some(10));
    assert!(steps[4].has_when && steps[4].alters_message);
    assert!(steps[2].allow_failure);
    let kept = steps.iter().map(|step| step.keeps_output);
    assert_eq!(kept.collect::<Vec<_>>(), [true, true, false, false, true]);
}

#[test]
fn what_holds_for_runs_is_read() {
    let workflow = parsed(ETL);
    assert_eq!(workflow.name(), "etl");
    assert_eq!(workflow.priority(), 7);
    assert_eq!(workflow.max_runs(), Some(10));
    assert_eq!(workflow.max_steps(), Some(100));
    assert_eq!(workflow.on_conflict(), OnConflict::Refuse);
    assert!(workflow.is_sticky());
    assert_eq!(workflow.repeat_max(), Some(10));
    let hold = workflow.backoff().expect("a backoff");
    assert_eq!((hold.after, hold.factor), (3, 2.0));
    assert_eq!(hold.initial, Duration::from_secs(10));
    assert_eq!(hold.max, Duration::from_secs(3600));
}

#[test]
fn what_is_not_said_has_its_default() {
    let workflow = parsed("{\"name\": \"w\", \"steps\": [{\"id\": \"a\", \"group\": \"g\"}]}");
    assert_eq!(workflow.priority(), 5);
    assert_eq!(workflow.max_runs(), None);
    assert_eq!(workflow.backoff(), None);
    assert_eq!(workflow.repeat_max(), None);
    assert!(!workflow.is_sticky());
    let step = &workflow.steps()[0];
    assert_eq!(
        (step.join, step.kind, step.priority),
        (Join::All, Kind::Task, 5)
    );
    assert!(!step.keeps_output && !step.has_when && !step.has_for_each);
}

#[test]
fn null_is_nothing_said_but_where_it_is_a_value() {
    let text = r#"
name: w
description: null
message: null
max_runs: ~
parameters: { p: { type: object, default: {}, description: null } }
steps:
  - { id: a, group: g, after: null, when: null, noop: null, payload: null, meta: null }
  - { id: b, group: g, after: { step: a, on: null } }
"#;
    let expected = serde_json::json!({
        "name": "w",
        "parameters": { "p": { "type": "object", "default": {} } },
        "message": null,
        "steps": [
            { "id": "a", "group": "g", "payload": null },
            { "id": "b", "after": [{ "step": "a" }], "group": "g" }
        ]
    });
    assert_eq!(parsed(text).to_json(), expected);
}

#[test]
fn the_canonical_document_is_the_same_workflow() {
    let workflow = parsed(ETL);
    let canonical = workflow.to_json().to_string();
    let again = parsed(&canonical);
    assert_eq!(again.steps(), workflow.steps());
    assert_eq!(again.to_json().to_string(), canonical);
    let read: Definition = serde_json::from_str(&canonical).expect("a definition");
    assert_eq!(&read, workflow.definition());
}

#[test]
fn a_program_builds_the_same() {
    let built = Definition::new("etl")
        .description("Loads a day")
        .parameter("day", Parameter::text().default("2026-01-01"))
        .parameter("n", Parameter::integer().default(0))
        .default_group("etl")
        .priority(7)
        .tag("nightly")
        .message(json!({ "day": "${params.day}", "done": false }))
        .repeat(
            Repeat::until("message.done")
                .param("n", "${params.n + 1}")
                .max(10),
        )
        .step(StepDefinition::new("list").argv(["ls", "${params.day}"]))
        .step(
            StepDefinition::new("load")
                .after("list")
                .for_each("outputs.list")
                .parallelism(10)
                .timeout(Duration::from_secs(90))
                .argv(["load", "${item}"]),
        )
        .step(
            StepDefinition::new("mend")
                .on_failure_of("load")
                .argv(["mend"]),
        )
        .step(
            StepDefinition::noop("end")
                .after_any_end_of("load")
                .after("mend")
                .join_any(),
        );
    let workflow = Workflow::from_definition(&built).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(workflow.steps()[3].after, [(1, On::Any), (2, On::Success)]);
    assert_eq!(workflow.to_json(), built.to_json());
    assert_eq!(built.to_json()["steps"][1]["timeout"], json!(90.0));
}

#[test]
fn a_run_adds_steps_behind_those_there_are() {
    let workflow = parsed(ETL);
    let more = vec![
        StepDefinition::new("extra")
            .after("mend")
            .payload("${outputs.mend}"),
        StepDefinition::noop("last").after("extra"),
    ];
    let extended = workflow
        .extended(more)
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(extended.steps().len(), 7);
    assert_eq!(extended.steps()[6].after, [(5, On::Success)]);
    assert!(extended.steps()[2].keeps_output);
    let again = vec![StepDefinition::new("list")];
    let refusal = workflow.extended(again).expect_err("the id is taken");
    assert_eq!(refusal.flaws[0].path, "steps[5].id");
}

#[test]
fn yaml_knows_anchors_and_json_is_the_same_model() {
    let text = "name: w\ndefaults: &d { group: g, tags: [a] }\nsteps:\n- id: a\n  meta: *d\n";
    let workflow = parsed(text);
    assert_eq!(
        workflow.to_json()["steps"][0]["meta"],
        json!({ "group": "g", "tags": ["a"] })
    );
    let json =
        r#"{"name":"w","steps":[{"id":"\ud83d\ude00","group":"g","payload":[1e3,-0.5,null]}]}"#;
    let workflow = parsed(json);
    assert_eq!(workflow.steps()[0].id, "😀");
    assert_eq!(
        workflow.to_json()["steps"][0]["payload"],
        json!([1000.0, -0.5, null])
    );
}

/// A workflow of no-op steps, each with what comes before it.
fn noops(steps: usize, before: impl Fn(usize) -> String) -> String {
    let mut text = String::from("name: big\nsteps:\n");
    for step in 0..steps {
        text += &format!("- {{id: s{step}, noop: true{}}}\n", before(step));
    }
    text
}

#[test]
fn a_chain_may_have_a_thousand_steps() {
    let chain = |steps| {
        noops(steps, |step| match step {
            0 => String::new(),
            _ => format!(", after: s{}", step - 1),
        })
    };
    assert_eq!(parsed(&chain(limits::DEPTH)).steps().len(), limits::DEPTH);
    let refusal = super::refused(&chain(limits::DEPTH + 1));
    let shown = refusal.to_string();
    assert!(
        shown.contains("chain of 1001 steps, the limit is 1000"),
        "{shown}"
    );
    assert_eq!(refusal.flaws[0].path, "steps[1000]");
}

#[test]
fn a_step_may_have_all_others_behind_it() {
    // 100,000 steps: one before all others, one behind them.
    let last = limits::STEPS - 1;
    let mut definition = Definition::new("wide").step(StepDefinition::noop("s"));
    let mut end = StepDefinition::noop("end");
    for step in 1..last {
        let id = step.to_string();
        end = end.after(id.as_str());
        definition = definition.step(StepDefinition::noop(id).after("s"));
    }
    let text = definition.step(end).to_json().to_string();
    let refusal = super::refused(&text);
    // As a text it is longer than a request; as a definition it is not read from one.
    assert!(
        refusal.to_string().contains("bytes, the limit is"),
        "{refusal}"
    );
    let definition: Definition = serde_json::from_str(&text).expect("a definition");
    let workflow = Workflow::from_definition(&definition).unwrap_or_else(|r| panic!("{r}"));
    assert_eq!(workflow.steps()[last].after.len(), last - 1);
}

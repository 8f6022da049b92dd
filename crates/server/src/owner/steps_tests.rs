//! Runs from a definition to their end: real documents and expressions, the real engine, a worker
//! that does at once what a test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use capataz_api::proto;
use capataz_engine::{
    Answer, Change, Command, Due, Event, Hello, Outcome, Reason, Report, RunId, RunPhase, StartRun,
    State, Timestamp, Usage, Which,
};
use capataz_journal::Position;
use prost::Message;
use serde_json::{Value, json};

use super::steps::RETRY;
use super::*;
use crate::clock::Now;
use crate::workflow::{Compiled, Wishes, new_run};

/// What a worker makes of a task: its output, or none when it fails.
type Handler = fn(&proto::TaskSpec) -> Option<Value>;

struct World {
    owner: Owner,
    seconds: u64,
    events: Arc<Mutex<Vec<Event>>>,
}

impl World {
    fn new() -> World {
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        let sink = Box::new(move |batch: crate::store::Batch| {
            kept.lock().unwrap().extend(batch.events.iter().cloned());
        });
        let (state, options) = (State::default(), OwnerOptions::default());
        let mut owner = Owner::new(state, Position::ZERO, at(0), options, sink);
        let first = owner.start_epoch(at(0), 1, "test".to_owned());
        owner.durable(first.expect("a record").expected.advance(1));
        let mut world = World {
            owner,
            seconds: 0,
            events,
        };
        world.ask(Command::Join(hello()));
        world
    }

    /// One input, one turn, durable at once.
    fn ask(&mut self, command: Command) -> Answer {
        let heard = Arc::new(Mutex::new(None));
        let told = Arc::clone(&heard);
        let reply = Box::new(move |result| *told.lock().unwrap() = Some(result));
        self.turn([Input::Command(command, reply)]);
        let heard = heard.lock().unwrap().take().expect("an answer");
        heard.expect("it is carried out").answer
    }

    fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let mut inputs: VecDeque<Input> = inputs.into_iter().collect();
        while let Some(append) = self.owner.turn(at(self.seconds), &mut inputs) {
            assert!(
                append.record.len() < 8 << 20,
                "the journal takes the record"
            );
            self.owner.durable(append.expected.advance(1));
        }
    }

    fn start(&mut self, definition: &str, parameters: &Value) -> RunId {
        let compiled = crate::workflow::compile(definition);
        let Compiled { workflow, version } = compiled.unwrap_or_else(|refusal| panic!("{refusal}"));
        let given = parameters.as_object().expect("an object");
        let run = new_run(&workflow, given, Wishes::default()).expect("it fits");
        let start = StartRun {
            request: None,
            workflow: workflow.name().to_owned(),
            version: Which::Given(Box::new(version)),
            run,
            waits_for_conflict: true,
        };
        match self.ask(Command::StartRun(Box::new(start))) {
            Answer::Run(run) => run,
            other => panic!("a run, not {other:?}"),
        }
    }

    /// Works until nothing is left to do.
    fn work(&mut self, handler: Handler) {
        loop {
            let leases: Vec<_> = self.owner.state().lease_tokens().collect();
            if leases.is_empty() {
                return;
            }
            for (key, attempt, _) in leases {
                let body = self.owner.bodies.get(key.task()).expect("its spec");
                let spec = proto::TaskSpec::decode(body).expect("a spec");
                let output = handler(&spec);
                let outcome = match output {
                    Some(_) => Outcome::Succeeded,
                    None => Outcome::Failed {
                        reason: Reason::Error,
                        fatal: false,
                    },
                };
                let result = proto::AttemptResult {
                    output: output.map(|output| Bytes::from(output.to_string())),
                    ..Default::default()
                };
                self.ask(Command::Report(Report {
                    key,
                    attempt,
                    outcome,
                    value: Bytes::new(),
                    output: result.encode_to_vec().into(),
                    usage: Usage::default(),
                }));
            }
        }
    }

    /// How a run ended, and what it returned or what was said about it.
    fn end_of(&self, wanted: RunId) -> Option<(RunPhase, String)> {
        let events = self.events.lock().unwrap();
        events.iter().find_map(|event| match &event.change {
            Change::RunEnded {
                run,
                phase,
                note,
                result,
                ..
            } if *run == wanted => {
                let said = String::from_utf8_lossy(result).into_owned() + note;
                Some((*phase, said))
            }
            _ => None,
        })
    }

    /// How steps were decided, in order, with what was said about them.
    fn decided(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let words = |event: &Event| match &event.change {
            Change::StepDecided {
                step,
                outcome,
                note,
                ..
            } => Some(format!(
                "{step} {} {} {note}",
                outcome.phase.name(),
                outcome.reason.name()
            )),
            _ => None,
        };
        let lines = events.iter().filter_map(words);
        lines.map(|line| line.trim_end().to_owned()).collect()
    }
}

fn at(seconds: u64) -> Now {
    Now {
        wall: Timestamp((1_000_000 + seconds) * 1_000_000),
        mono: Duration::from_secs(seconds),
    }
}

fn hello() -> Hello {
    Hello {
        name: "w".to_owned(),
        incarnation: 1,
        connection: 0,
        host: "host".to_owned(),
        build: "test".to_owned(),
        pod: "pod".to_owned(),
        pod_slots: Some(64),
        groups: vec!["g".to_owned()],
        concurrency: 64,
        polling: false,
        remember: 0,
        affinity: Vec::new(),
        running: Vec::new(),
    }
}

fn payload(spec: &proto::TaskSpec) -> Value {
    let payload = spec.payload.as_ref().expect("a payload");
    serde_json::from_slice(payload).expect("JSON")
}

const SUMS: &str = "
name: sums
parameters:
  upto: { type: integer }
defaults: { group: g }
result: '${outputs.sum}'
steps:
  - { id: list, payload: { upto: '${params.upto}' } }
  - id: square
    after: list
    for_each: outputs.list
    payload: { number: '${item}', at: '${index}' }
  - { id: sum, after: square, payload: { add: '${outputs.square}' } }
  - { id: never, after: list, when: 'params.upto > 9000', payload: {} }
";

fn sums(spec: &proto::TaskSpec) -> Option<Value> {
    let asked = payload(spec);
    if let Some(upto) = asked["upto"].as_i64() {
        return Some(json!((1..=upto).collect::<Vec<_>>()));
    }
    if let Some(number) = asked["number"].as_i64() {
        assert_eq!(asked["at"], number - 1);
        return Some(json!(number * number));
    }
    let numbers = asked["add"]
        .as_array()
        .unwrap_or_else(|| panic!("a list, not {asked}"));
    Some(json!(numbers.iter().filter_map(Value::as_i64).sum::<i64>()))
}

#[test]
fn outputs_flow_from_step_to_step_and_out_of_the_run() {
    let mut world = World::new();
    let run = world.start(SUMS, &json!({ "upto": 10 }));
    world.work(sums);
    assert_eq!(
        world.end_of(run),
        Some((RunPhase::Succeeded, "385".to_owned()))
    );
    assert_eq!(
        world.decided(),
        [
            "0 succeeded",
            "3 skipped condition",
            "1 succeeded",
            "2 succeeded"
        ]
    );
}

#[test]
fn a_fan_out_goes_on_over_many_turns() {
    let mut world = World::new();
    let run = world.start(SUMS, &json!({ "upto": 2500 }));
    world.work(sums);
    let sum: i64 = (1..=2500).map(|n: i64| n * n).sum();
    assert_eq!(
        world.end_of(run),
        Some((RunPhase::Succeeded, sum.to_string()))
    );
}

#[test]
fn a_template_that_cannot_be_worked_out_fails_its_step_and_says_where() {
    let mut world = World::new();
    let run = world.start(
        "
name: broken
steps:
  - { id: a, group: g, payload: {} }
  - { id: b, group: g, after: a, payload: '${outputs.a.missing + 1}' }
  - { id: c, group: g, after: { step: b, on: failure }, payload: {} }
",
        &json!({}),
    );
    world.work(|_| Some(json!({ "there": 1 })));
    assert_eq!(
        world.end_of(run).map(|(phase, _)| phase),
        Some(RunPhase::Failed)
    );
    let decided = world.decided();
    assert!(
        decided[1].starts_with("1 failed template steps[1].payload: `outputs.a.missing + 1`: "),
        "{decided:?}"
    );
    assert_eq!(decided[2], "2 succeeded");
}

#[test]
fn a_step_replaces_the_message_and_the_run_repeats_until_it_is_done() {
    let mut world = World::new();
    let run = world.start(
        "
name: count
parameters:
  n: { type: integer, default: 0 }
message: { n: '${params.n}' }
repeat: { until: 'message.n >= 3', params: { n: '${message.n}' }, max: 10 }
result: '${message.n}'
steps:
  - { id: add, group: g, payload: '${message}', alters_message: true }
",
        &json!({}),
    );
    world.work(|spec| Some(json!({ "n": payload(spec)["n"].as_i64()? + 1 })));
    assert_eq!(
        world.end_of(run),
        Some((RunPhase::Succeeded, "1".to_owned()))
    );
    let events = world.events.lock().unwrap();
    let results = events.iter().filter_map(|event| match &event.change {
        Change::RunEnded { result, .. } => Some(String::from_utf8_lossy(result).into_owned()),
        _ => None,
    });
    assert_eq!(results.collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(world.owner.state().next_due(), None);
}

#[test]
fn what_a_fan_out_returned_has_a_gap_for_each_element_that_failed() {
    let mut world = World::new();
    let run = world.start(
        "
name: gaps
parameters: { empty: { type: list, default: [] } }
result: { some: '${outputs.some}', none: '${outputs.none}', told: '${outputs.after}' }
steps:
  - { id: some, group: g, for_each: [0, 1, 2, 3], payload: '${item}', allow_failure: true }
  - { id: none, group: g, for_each: params.empty, payload: '${item}' }
  - { id: after, group: g, after: some, payload: { told: '${outputs.some}' } }
",
        &json!({}),
    );
    // The first and the last fail.
    world.work(|spec| match payload(spec) {
        Value::Number(number) => (1..3).contains(&number.as_i64()?).then(|| json!(number)),
        told => Some(told["told"].clone()),
    });
    let expected = json!({
        "some": [null, 1, 2, null],
        "none": [],
        "told": [null, 1, 2, null],
    });
    let (phase, said) = world.end_of(run).expect("its end");
    assert_eq!(phase, RunPhase::Succeeded);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), expected);
}

#[test]
fn the_conflict_key_that_a_caller_gave_goes_on_with_the_run_that_repeats() {
    let definition = "
name: again
parameters: { n: { type: integer, default: 0 } }
KEY
repeat: { until: 'params.n >= 1', params: { n: '${params.n + 1}' } }
steps: [{ id: a, noop: true }]
";
    let own = "conflict_key: 'key-${params.n}'";
    let keys = |key: &str, given: Option<&str>| {
        let mut world = World::new();
        let compiled = crate::workflow::compile(&definition.replace("KEY", key));
        let Compiled { workflow, version } = compiled.unwrap_or_else(|refusal| panic!("{refusal}"));
        let wishes = Wishes {
            conflict: given.map(str::to_owned),
            ..Wishes::default()
        };
        let run = new_run(&workflow, &serde_json::Map::new(), wishes).expect("it fits");
        world.ask(Command::StartRun(Box::new(StartRun {
            request: None,
            workflow: "again".to_owned(),
            version: Which::Given(Box::new(version)),
            run,
            waits_for_conflict: true,
        })));
        let events = world.events.lock().unwrap();
        let keys = events.iter().filter_map(|event| match &event.change {
            Change::RunStarted { new, .. } => Some(new.conflict.clone().unwrap_or_default()),
            _ => None,
        });
        keys.collect::<Vec<_>>()
    };
    assert_eq!(keys("", Some("given")), ["given", "given"]);
    assert_eq!(keys(own, Some("given")), ["given", "given"]);
    assert_eq!(keys(own, None), ["key-0", "key-1"]);
    assert_eq!(keys("", None), ["", ""]);
}

#[test]
fn a_cancelled_run_ends_although_there_is_no_room_for_new_tasks() {
    let mut world = World::new();
    let run = world.start(
        "
name: wide
steps:
  - { id: a, group: g, for_each: [0, 1, 2], parallelism: 1, payload: '${item}' }
  - { id: b, group: other, payload: {} }
",
        &json!({}),
    );
    world.turn([Input::JournalRoom(false)]);
    let note = String::new();
    world.ask(Command::CancelRun { run, note });
    let (phase, _) = world.end_of(run).expect("its end");
    assert_eq!(phase, RunPhase::Cancelled);
    assert_eq!(world.owner.state().next_due(), None);
}

#[test]
fn without_room_steps_end_and_none_begins() {
    let mut world = World::new();
    let definition = "
name: two
steps:
  - { id: a, group: g, payload: {} }
  - { id: b, group: g, after: a, payload: {} }
";
    let run = world.start(definition, &json!({}));
    world.turn([Input::JournalRoom(false)]);
    world.work(|_| Some(json!({})));
    assert_eq!(world.decided(), ["0 succeeded"]);
    world.turn([Input::JournalRoom(true)]);
    world.work(|_| Some(json!({})));
    assert_eq!(world.decided(), ["0 succeeded", "1 succeeded"]);
    assert!(world.end_of(run).is_some());
}

/// What lacks room is due again at once: the owner's thread was awake all the time.
#[test]
fn what_could_not_be_done_about_a_run_is_tried_again_after_a_pause() {
    let mut world = World::new();
    let run = world.start(
        "
name: two
steps:
  - { id: a, group: g, payload: {} }
  - { id: b, group: g, after: a, payload: {} }
",
        &json!({}),
    );
    world.turn([Input::JournalRoom(false)]);
    world.work(|_| Some(json!(null)));
    let due = world.owner.state().next_due().expect("the end of a step");
    assert!(
        !world.owner.advance(Due::Run(RunId(run.0 + 1))),
        "no such run"
    );
    // As if the engine had refused it: no test can have a hundred million tasks.
    let until = at(0).mono + RETRY;
    world.owner.steps.refused = Some((due, until));
    world.turn([Input::JournalRoom(true)]);
    assert_eq!(world.owner.state().next_due(), Some(due));
    assert_eq!(world.owner.next_wake(), Some(until));
    world.seconds = 1;
    world.turn([]);
    world.work(|_| Some(json!(null)));
    assert_eq!(
        world.end_of(run).map(|(phase, _)| phase),
        Some(RunPhase::Succeeded)
    );
}

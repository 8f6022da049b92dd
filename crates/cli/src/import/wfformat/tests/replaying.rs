//! What steps run, and how long at least.

use std::process::Command;
use std::time::Instant;

use super::*;

fn options(replay: Replay, time_scale: f64) -> Options {
    Options {
        replay,
        time_scale,
        ..Options::default()
    }
}

fn argvs(replay: Replay, time_scale: f64) -> Vec<Value> {
    let instance = instance(&[
        ("a", &[], &[], 0.0),
        ("b", &[], &[], 12.345_678_9),
        ("c", &[], &[], 60.0),
    ]);
    let definition = wfformat(&instance.to_string(), &options(replay, time_scale));
    let definition = definition.expect("an instance");
    let steps = definition["steps"].as_array().expect("steps").iter();
    steps.map(|step| step["argv"].clone()).collect()
}

#[test]
fn sleep_has_the_microseconds() {
    let expected = [
        json!(["sleep", "0"]),
        json!(["sleep", "12.345679"]),
        json!(["sleep", "60"]),
    ];
    assert_eq!(argvs(Replay::Sleep, 1.0), expected);
    let expected = [
        json!(["sleep", "0"]),
        json!(["sleep", "0.000012"]),
        json!(["sleep", "0.00006"]),
    ];
    assert_eq!(argvs(Replay::Sleep, 1e-6), expected);
}

#[test]
fn computing_has_hundredths_and_nothing_sleeps_nothing() {
    let burn = |units: &str| json!(["sh", "-c", "eval \"$BURN\"", "burn", units]);
    let expected = [json!(["sleep", "0"]), burn("1235"), burn("6000")];
    assert_eq!(argvs(Replay::Cpu, 1.0), expected);
    assert_eq!(argvs(Replay::Cpu, 1e-6), vec![json!(["sleep", "0"]); 3]);
}

#[test]
fn the_computing_ends_well_and_not_early() {
    let instance = instance(&[("a", &[], &[], 0.1)]);
    let definition = wfformat(&instance.to_string(), &options(Replay::Cpu, 1.0));
    let definition = definition.expect("an instance");
    let argv = definition["steps"][0]["argv"].as_array().expect("an argv");
    let argv: Vec<&str> = argv.iter().filter_map(Value::as_str).collect();
    let burn = definition["defaults"]["env"]["BURN"]
        .as_str()
        .expect("a script");
    assert!(!burn.contains("${"), "it would be taken for a template");
    let begun = Instant::now();
    let ended = Command::new(argv[0])
        .args(&argv[1..])
        .env("BURN", burn)
        .status();
    assert!(ended.expect("a shell").success());
    // One process on one core: less time by the clock would be less of it computing. A shell's
    // clock may be a tick ahead.
    assert!(begun.elapsed().as_millis() >= 90, "{:?}", begun.elapsed());
}

#[test]
fn the_bound_is_the_longest_chain_or_the_work_per_slot() {
    let fork = instance(&[
        ("a", &[], &[], 1.0),
        ("b", &["a"], &[], 4.0),
        ("c", &["a"], &[], 2.0),
        ("d", &["b", "c"], &[], 1.0),
        ("e", &[], &[], 3.0),
    ]);
    let definition = wfformat(&fork.to_string(), &options(Replay::Sleep, 0.5));
    let bound = bound(&definition.expect("an instance")).expect("a bound");
    assert_eq!((bound.critical_path_s, bound.work_s), (3.0, 5.5));
    assert_eq!(bound.makespan_s(1), 5.5);
    assert_eq!(bound.makespan_s(8), 3.0);
}

#[test]
fn other_definitions_have_no_bound() {
    assert_eq!(
        bound(&json!({ "steps": [{ "id": "a", "argv": ["true"] }] })),
        None
    );
    assert_eq!(bound(&json!({})), None);
}

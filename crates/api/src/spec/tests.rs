//! Specs that are taken, and every way to be refused.

use super::*;
use crate::limits;
use crate::problem::{Code, Problem};

fn read(json: &str) -> Result<proto::TaskSpec, SpecError> {
    parse_task(json.as_bytes(), limits::PAYLOAD_BYTES)
}

/// The spec `{"group": "g", FIELDS}`.
fn with(fields: &str) -> Result<proto::TaskSpec, SpecError> {
    read(&format!("{{\"group\":\"g\",{fields}}}"))
}

fn code(result: Result<proto::TaskSpec, SpecError>) -> (Code, String) {
    let error = result.expect_err("the spec was accepted");
    (error.flaw.code(), error.place().unwrap_or_default())
}

#[test]
fn a_spec_with_everything_is_read() {
    let spec = with(
        r#""argv":["sha256sum","f"],"payload":"hello","priority":7,"tags":["a","b"],
           "meta":{ "k": [1, 2.50] },"dedup_key":"d","max_attempts":3,"max_lost":0,
           "backoff":{"initial":"10s","factor":1.5,"max":"1m","jitter":0.5},"timeout":"1m 30s",
           "run_at":"1970-01-01T00:00:01Z","expires_in":60,"affinity":["curve=USD"],"count":10,
           "output":"stdout","env":{"A":"1"},"env_secret":["TOKEN"]"#,
    )
    .expect("a good spec");
    assert_eq!(spec.argv, ["sha256sum", "f"]);
    assert_eq!(spec.payload.as_deref(), Some(&b"hello"[..]));
    assert_eq!(spec.meta, r#"{"k":[1,2.50]}"#);
    assert_eq!(spec.timeout_us, Some(90_000_000));
    assert_eq!(spec.run_at_us, Some(1_000_000));
    assert_eq!(spec.expires_in_us, Some(60_000_000));
    let backoff = spec.backoff.expect("a backoff");
    assert_eq!(
        (backoff.initial_us, backoff.factor_percent, backoff.cap_us),
        (10_000_000, 150, 60_000_000)
    );
    assert_eq!(spec.env_secret[0].name, "TOKEN");
    assert_eq!(spec.env_secret[0].value, "TOKEN");
    assert_eq!(spec.output(), proto::OutputMode::Stdout);
}

#[test]
fn a_payload_that_is_no_text_is_compact_json() {
    for (json, bytes) in [
        (
            r#"{ "b": 1, "a": 12345678901234567890123 }"#,
            r#"{"b":1,"a":12345678901234567890123}"#,
        ),
        (r#"{"base64": "AA=="}"#, r#"{"base64":"AA=="}"#),
        ("[1, 2]", "[1,2]"),
        ("null", "null"),
        ("1.50", "1.50"),
        (r#""""#, ""),
    ] {
        let spec = with(&format!("\"payload\":{json}")).expect("a good payload");
        assert_eq!(spec.payload.as_deref(), Some(bytes.as_bytes()), "{json}");
    }
}

#[test]
fn a_short_backoff_has_the_defaults_and_a_cap_above_its_start() {
    let spec = with(r#""backoff":"10m""#).expect("a good backoff");
    let backoff = spec.backoff.expect("a backoff");
    assert_eq!(
        (backoff.initial_us, backoff.cap_us),
        (600_000_000, 600_000_000)
    );
    assert_eq!((backoff.factor_percent, backoff.jitter_percent), (200, 25));
}

#[test]
fn absent_and_null_are_the_same() {
    let spec = with(r#""priority":null,"argv":null,"meta":null"#).expect("a good spec");
    assert_eq!(spec, read(r#"{"group":"g"}"#).expect("a good spec"));
}

#[test]
fn every_refusal_has_its_code_and_field() {
    let long = "x".repeat(256);
    let many = vec!["\"t\""; 33].join(",");
    for (fields, expected, place) in [
        (r#""priority":0"#, Code::OutOfRange, "priority"),
        (r#""priority":10"#, Code::OutOfRange, "priority"),
        (r#""priority":-1"#, Code::OutOfRange, "priority"),
        (r#""priority":1e30"#, Code::OutOfRange, "priority"),
        (r#""priority":1.5"#, Code::InvalidField, "priority"),
        (r#""priority":"5""#, Code::InvalidField, "priority"),
        (r#""argv":[]"#, Code::InvalidField, "argv"),
        (r#""argv":[""]"#, Code::InvalidField, "argv[0]"),
        (r#""argv":["a","b\u0000"]"#, Code::InvalidField, "argv[1]"),
        (r#""argv":"ls""#, Code::InvalidField, "argv"),
        (r#""tags":["a",""]"#, Code::InvalidField, "tags[1]"),
        (r#""tags":["a\nb"]"#, Code::InvalidField, "tags[0]"),
        (&format!("\"tags\":[\"{long}\"]"), Code::TooLarge, "tags[0]"),
        (&format!("\"tags\":[{many}]"), Code::TooLarge, "tags"),
        (
            &format!("\"dedup_key\":\"{long}\""),
            Code::TooLarge,
            "dedup_key",
        ),
        (r#""dedup_key":"""#, Code::InvalidField, "dedup_key"),
        (r#""delay":-1"#, Code::OutOfRange, "delay"),
        (r#""delay":"-1s""#, Code::OutOfRange, "delay"),
        (r#""delay":"soon""#, Code::InvalidField, "delay"),
        (r#""timeout":0"#, Code::OutOfRange, "timeout"),
        (r#""timeout":"200000w""#, Code::OutOfRange, "timeout"),
        (
            r#""delay":1,"run_at":"2027-01-01T00:00:00Z""#,
            Code::InvalidField,
            "run_at",
        ),
        (r#""run_at":"tomorrow""#, Code::InvalidField, "run_at"),
        (r#""count":0"#, Code::OutOfRange, "count"),
        (r#""count":50000001"#, Code::OutOfRange, "count"),
        (r#""max_attempts":0"#, Code::OutOfRange, "max_attempts"),
        (
            r#""backoff":{"factor":0.5}"#,
            Code::OutOfRange,
            "backoff.factor",
        ),
        (
            r#""backoff":{"start":1}"#,
            Code::UnknownField,
            "backoff.start",
        ),
        (r#""backoff":true"#, Code::InvalidField, "backoff"),
        (r#""output":"both""#, Code::InvalidField, "output"),
        (r#""env":{"1A":""}"#, Code::InvalidField, "env.1A"),
        (
            r#""env":{"CAPATAZ_X":""}"#,
            Code::InvalidField,
            "env.CAPATAZ_X",
        ),
        (r#""env":{"A":"\u0000"}"#, Code::InvalidField, "env.A"),
        (r#""env":{"A":1}"#, Code::InvalidField, "env"),
        (
            r#""env_secret":{"A":"../key"}"#,
            Code::InvalidField,
            "env_secret.A",
        ),
        (r#""prio":1"#, Code::UnknownField, "prio"),
        (r#""group":"h""#, Code::MalformedJson, ""),
    ] {
        assert_eq!(code(with(fields)), (expected, place.to_owned()), "{fields}");
    }
    assert_eq!(code(read("{}")), (Code::InvalidField, "group".into()));
    assert_eq!(
        code(read(r#"{"group":""}"#)),
        (Code::InvalidField, "group".into())
    );
    assert_eq!(code(read("[]")), (Code::InvalidField, "".into()));
    assert_eq!(code(read("{")), (Code::MalformedJson, "".into()));
}

#[test]
fn a_refusal_names_the_limit_what_came_and_what_to_do() {
    let problem = |fields| Problem::from(with(fields).expect_err("the spec was accepted"));
    let high = problem(r#""priority":12"#);
    assert_eq!(high.limit.as_deref(), Some("1 to 9"));
    assert_eq!(high.got.as_deref(), Some("12"));
    assert_eq!(high.detail, "priority must be 1 to 9, got 12");
    let typo = problem(r#""dedupe_key":"x""#);
    assert_eq!(typo.hint.as_deref(), Some("did you mean `dedup_key`?"));
    assert_eq!(problem(r#""zzz":1"#).hint, None);
}

#[test]
fn sizes_are_refused_just_above_their_limits() {
    let payload = |n| with(&format!("\"payload\":\"{}\"", "x".repeat(n)));
    assert!(payload(limits::PAYLOAD_BYTES).is_ok());
    assert_eq!(
        code(payload(limits::PAYLOAD_BYTES + 1)),
        (Code::TooLarge, "payload".into())
    );
    let meta = |n| with(&format!("\"meta\":\"{}\"", "x".repeat(n - 2)));
    assert!(meta(limits::META_BYTES).is_ok());
    assert_eq!(
        code(meta(limits::META_BYTES + 1)),
        (Code::TooLarge, "meta".into())
    );
    let argv = |n| with(&format!("\"argv\":[\"{}\"]", "x".repeat(n)));
    assert!(argv(limits::ARGUMENT_BYTES).is_ok());
    assert_eq!(
        code(argv(limits::ARGUMENT_BYTES + 1)),
        (Code::TooLarge, "argv".into())
    );
}

#[test]
fn a_submission_is_a_list_an_object_of_one_or_lines() {
    let parse = |body: &str| parse_tasks(body.as_bytes(), limits::PAYLOAD_BYTES);
    let two = r#"[{"group":"a"},{"group":"b"}]"#;
    assert_eq!(parse(two).map(|tasks| tasks.len()), Ok(2));
    assert_eq!(parse(&format!("{{\"tasks\":{two}}}")), parse(two));
    assert_eq!(parse(r#"{"group":"a"}"#).map(|tasks| tasks.len()), Ok(1));
    let lines = b"{\"group\":\"a\"}\r\n\n{\"group\":\"b\"}";
    assert_eq!(parse_lines(lines, limits::PAYLOAD_BYTES), parse(two));
}

#[test]
fn a_bad_task_in_a_submission_is_named_by_its_index() {
    let parse = |body: &str| {
        let error = parse_tasks(body.as_bytes(), limits::PAYLOAD_BYTES);
        error.expect_err("the submission was accepted").to_string()
    };
    assert_eq!(
        parse(r#"[{"group":"a"},{"group":"b","priority":11}]"#),
        "tasks[1].priority must be 1 to 9, got 11"
    );
    assert_eq!(parse(r#"[1]"#), "tasks[0] must be an object, got 1");
    assert_eq!(parse("[]"), "tasks must not be empty");
    assert_eq!(
        parse(r#"{"tasks":[{"group":"a"}],"x":1}"#),
        "x is not a known field"
    );
    let many = format!("[{}]", vec!["{}"; limits::BATCH_TASKS + 1].join(","));
    assert_eq!(parse(&many), "tasks has 10001 tasks, the limit is 10000");
    let lines = parse_lines(b"{\"group\":\"a\"}\nnope", limits::PAYLOAD_BYTES);
    assert_eq!(lines.map_err(|error| error.index), Err(Some(1)));
}

#[test]
fn a_spec_that_came_over_grpc_is_checked_too() {
    let good = read(r#"{"group":"g","meta":{"a":1}}"#).expect("a good spec");
    assert_eq!(validate(&good), Ok(()));
    let deep = "[".repeat(100) + &"]".repeat(100);
    for bad in [
        proto::TaskSpec {
            meta: deep,
            ..good.clone()
        },
        proto::TaskSpec {
            meta: "{".into(),
            ..good.clone()
        },
        proto::TaskSpec {
            output: 9,
            ..good.clone()
        },
        proto::TaskSpec {
            group: "\u{85}".into(),
            ..good.clone()
        },
        proto::TaskSpec {
            backoff: Some(proto::Backoff::default()),
            ..good.clone()
        },
    ] {
        assert!(validate(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_described_fields_are_the_read_ones() {
    let described = serde_json::to_value(<TaskSpec as utoipa::PartialSchema>::schema())
        .expect("a schema is JSON");
    let names = described["properties"].as_object().expect("properties");
    let mut read = parse::FIELDS.to_vec();
    read.sort_unstable();
    assert!(names.keys().eq(read), "{:?}", names.keys());
    assert_eq!(described["required"], serde_json::json!(["group"]));
}

#[test]
fn a_spec_shown_as_json_reads_back_as_itself() {
    let spec = with(
        r#""argv":["a"],"payload":{"x":1},"backoff":"10s","timeout":1.5,"meta":[1],
           "run_at":"2027-01-01T00:00:00.000001Z","env":{"A":"b"},"output":"none""#,
    )
    .expect("a good spec");
    let shown = serde_json::to_vec(&TaskSpec::from(&spec)).expect("a spec is JSON");
    assert_eq!(parse_task(&shown, limits::PAYLOAD_BYTES), Ok(spec));
}

#[test]
fn a_secret_given_twice_is_one_variable() {
    let body = br#"{"group":"g","env_secret":["B","A","A"]}"#;
    let task = parse_task(body, limits::PAYLOAD_BYTES).expect("a good spec");
    let names: Vec<_> = task.env_secret.iter().map(|v| &v.name[..]).collect();
    assert_eq!(names, ["A", "B"]);
}

//! The checks that every spec passes, whichever way it came. A good spec costs no allocation:
//! this runs for each task of a submission.

use super::error::{Flaw, SpecError, shorten};
use crate::json;
use crate::limits;
use crate::proto;

/// Checks a spec against all limits, with the payload limit that holds unless it was raised.
pub fn validate(spec: &proto::TaskSpec) -> Result<(), SpecError> {
    validate_within(spec, limits::PAYLOAD_BYTES)
}

/// Checks a spec against all limits, with the payload limit that the operator set.
pub fn validate_within(spec: &proto::TaskSpec, payload_bytes: usize) -> Result<(), SpecError> {
    check_name("group", &spec.group)?;
    check_numbers(spec)?;
    check_times(spec)?;
    check_size(
        "payload",
        spec.payload.as_ref().map_or(0, |p| p.len()),
        payload_bytes,
    )?;
    check_names("tags", &spec.tags, limits::TAGS, limits::TAG_BYTES)?;
    let affinity = limits::AFFINITY_KEYS;
    check_names("affinity", &spec.affinity, affinity, limits::NAME_BYTES)?;
    if let Some(key) = &spec.dedup_key {
        check_name("dedup_key", key)?;
    }
    check_meta(&spec.meta)?;
    check_command(spec)?;
    if proto::OutputMode::try_from(spec.output).is_err() {
        let max = proto::OutputMode::None as u64;
        return Err(out_of_range("output", 0, max, spec.output));
    }
    Ok(())
}

/// Checks how much one submission carries: at least one task, and no more than one record holds.
pub fn check_batch(tasks: usize, encoded_bytes: usize) -> Result<(), SpecError> {
    if tasks == 0 {
        return Err(SpecError::new("tasks", Flaw::Empty));
    }
    check_count("tasks", tasks, limits::BATCH_TASKS, "tasks")?;
    check_size("tasks", encoded_bytes, limits::BATCH_BYTES)
}

/// Checks the name of a group, pod or worker, or a key: 1 to 255 bytes, no control characters.
pub fn check_name(field: &str, name: &str) -> Result<(), SpecError> {
    check_text(name, limits::NAME_BYTES).map_err(|flaw| SpecError::new(field, flaw))
}

fn check_text(text: &str, limit: usize) -> Result<(), Flaw> {
    if text.is_empty() {
        return Err(Flaw::Empty);
    }
    if text.len() > limit {
        return Err(Flaw::TooLarge {
            limit,
            got: text.len(),
            unit: "bytes",
        });
    }
    match text.chars().find(|c| c.is_control()) {
        Some(got) => Err(Flaw::ControlCharacter { got }),
        None => Ok(()),
    }
}

fn check_names(
    field: &str,
    names: &[String],
    limit: usize,
    name_bytes: usize,
) -> Result<(), SpecError> {
    check_count(field, names.len(), limit, "items")?;
    for (place, name) in names.iter().enumerate() {
        check_text(name, name_bytes)
            .map_err(|flaw| SpecError::new(format!("{field}[{place}]"), flaw))?;
    }
    Ok(())
}

fn check_count(field: &str, got: usize, limit: usize, unit: &'static str) -> Result<(), SpecError> {
    if got > limit {
        return Err(SpecError::new(field, Flaw::TooLarge { limit, got, unit }));
    }
    Ok(())
}

fn check_size(field: &str, got: usize, limit: usize) -> Result<(), SpecError> {
    check_count(field, got, limit, "bytes")
}

fn out_of_range(field: &str, min: u64, max: u64, got: impl ToString) -> SpecError {
    let got = got.to_string();
    SpecError::new(field, Flaw::OutOfRange { min, max, got })
}

/// Checks an optional number.
fn check_range<N>(field: &str, min: N, max: N, got: Option<N>) -> Result<(), SpecError>
where
    N: Copy + PartialOrd + Into<u64> + ToString,
{
    match got {
        Some(got) if got < min || got > max => {
            Err(out_of_range(field, min.into(), max.into(), got))
        }
        _ => Ok(()),
    }
}

fn check_numbers(spec: &proto::TaskSpec) -> Result<(), SpecError> {
    let (least, most) = (limits::PRIORITY_MIN, limits::PRIORITY_MAX);
    check_range("priority", least, most, spec.priority)?;
    check_range("max_attempts", 1, limits::ATTEMPTS_MAX, spec.max_attempts)?;
    check_range("max_lost", 0, limits::ATTEMPTS_MAX, spec.max_lost)?;
    check_range("count", 1, limits::COUNT_MAX, spec.count)?;
    let Some(backoff) = &spec.backoff else {
        return Ok(());
    };
    let longest = limits::DURATION_MAX_US;
    let steepest = limits::BACKOFF_FACTOR_PERCENT_MAX;
    check_range("backoff.initial", 0, longest, Some(backoff.initial_us))?;
    check_range("backoff.max", 0, longest, Some(backoff.cap_us))?;
    check_range(
        "backoff.factor",
        100,
        steepest,
        Some(backoff.factor_percent),
    )?;
    check_range("backoff.jitter", 0, 100, Some(backoff.jitter_percent))
}

fn check_times(spec: &proto::TaskSpec) -> Result<(), SpecError> {
    let longest = limits::DURATION_MAX_US;
    check_range("timeout", 1, longest, spec.timeout_us)?;
    check_range("delay", 0, longest, spec.delay_us)?;
    check_range("expires_in", 1, longest, spec.expires_in_us)?;
    check_range("run_at", 0, limits::TIMESTAMP_MAX_US, spec.run_at_us)?;
    if spec.delay_us.is_some() && spec.run_at_us.is_some() {
        return Err(SpecError::new("run_at", Flaw::Excludes { other: "delay" }));
    }
    Ok(())
}

fn check_meta(meta: &str) -> Result<(), SpecError> {
    if meta.is_empty() {
        return Ok(());
    }
    check_size("meta", meta.len(), limits::META_BYTES)?;
    json::check_depth(meta).map_err(|error| SpecError::new("meta", error))?;
    serde_json::from_str::<serde::de::IgnoredAny>(meta)
        .map(drop)
        .map_err(|error| {
            let reason = error.to_string();
            SpecError::new("meta", json::JsonError::Malformed { reason })
        })
}

/// Checks what a process is started with: arguments, variables, secrets.
fn check_command(spec: &proto::TaskSpec) -> Result<(), SpecError> {
    check_count("argv", spec.argv.len(), limits::ARGUMENTS, "items")?;
    let variables = spec.env.len() + spec.env_secret.len();
    check_count("env", variables, limits::ARGUMENTS, "items")?;
    if spec.argv.first().is_some_and(String::is_empty) {
        return Err(SpecError::new("argv[0]", Flaw::Empty));
    }
    let mut bytes = 0;
    for (place, argument) in spec.argv.iter().enumerate() {
        if argument.bytes().any(|b| b == 0) {
            return Err(SpecError::new(format!("argv[{place}]"), Flaw::ZeroByte));
        }
        bytes += argument.len();
    }
    for variable in &spec.env {
        check_variable(&variable.name)
            .and_then(|()| match variable.value.bytes().any(|b| b == 0) {
                true => Err(Flaw::ZeroByte),
                false => Ok(()),
            })
            .map_err(|flaw| SpecError::new(format!("env.{}", shorten(&variable.name)), flaw))?;
        bytes += variable.name.len() + variable.value.len();
    }
    for variable in &spec.env_secret {
        check_variable(&variable.name)
            .and_then(|()| check_secret(&variable.value))
            .map_err(|flaw| {
                SpecError::new(format!("env_secret.{}", shorten(&variable.name)), flaw)
            })?;
        bytes += variable.name.len() + variable.value.len();
    }
    let field = if spec.env.is_empty() {
        "argv"
    } else {
        "argv and env"
    };
    check_size(field, bytes, limits::ARGUMENT_BYTES)
}

fn check_variable(name: &str) -> Result<(), Flaw> {
    let mut bytes = name.bytes();
    let first = bytes.next().ok_or(Flaw::Empty)?;
    let plain = |b: u8| b == b'_' || b.is_ascii_alphanumeric();
    if first.is_ascii_digit() || !plain(first) || !bytes.all(plain) {
        return Err(Flaw::VariableName { got: shorten(name) });
    }
    if name.starts_with("CAPATAZ_") {
        return Err(Flaw::ReservedVariable { got: shorten(name) });
    }
    Ok(())
}

/// A secret's name may become a file's name at the worker: no slash, and nothing hidden.
fn check_secret(name: &str) -> Result<(), Flaw> {
    check_text(name, limits::NAME_BYTES)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if name.starts_with('.') || !name.bytes().all(plain) {
        return Err(Flaw::SecretName { got: shorten(name) });
    }
    Ok(())
}

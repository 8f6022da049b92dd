//! The file `CAPATAZ_CONTROL`: what an attempt says besides its exit code.
//!
//! One JSON object per line, with one key; of a key given twice the last counts. `fatal` fails the
//! attempt for good, whatever its exit code. `again_in` asks to come back, and counts only with
//! exit code 0.

use std::time::Duration;

use serde_json::Value;

/// What an attempt asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) again: Option<Duration>,
    pub(super) fatal: Option<String>,
}

/// What is wrong with a control file.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum ControlError {
    #[error("CAPATAZ_CONTROL line {line}: expected one JSON object, got {got:?}")]
    NoObject { line: usize, got: String },
    #[error("CAPATAZ_CONTROL line {line}: expected `again_in` or `fatal`, got {key:?}")]
    UnknownKey { line: usize, key: String },
    #[error("CAPATAZ_CONTROL line {line}: `fatal` expects a message, got {got}")]
    NoMessage { line: usize, got: Value },
    #[error(
        "CAPATAZ_CONTROL line {line}: `again_in` expects seconds or a duration like \"1m 30s\", \
         got {got}"
    )]
    NoDuration { line: usize, got: Value },
}

/// Reads a control file.
pub(super) fn read(bytes: &[u8]) -> Result<Control, ControlError> {
    let mut control = Control::default();
    for (number, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let line = number + 1;
        let Ok(Value::Object(object)) = serde_json::from_slice(text) else {
            let got = String::from_utf8_lossy(text).chars().take(80).collect();
            return Err(ControlError::NoObject { line, got });
        };
        for (key, value) in object {
            match (key.as_str(), value) {
                ("fatal", Value::String(message)) => control.fatal = Some(message),
                ("fatal", got) => return Err(ControlError::NoMessage { line, got }),
                ("again_in", value) => match duration(&value) {
                    Some(after) => control.again = Some(after),
                    None => return Err(ControlError::NoDuration { line, got: value }),
                },
                _ => return Err(ControlError::UnknownKey { line, key }),
            }
        }
    }
    Ok(control)
}

fn duration(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(seconds) => Duration::try_from_secs_f64(seconds.as_f64()?).ok(),
        Value::String(text) => spoken_duration(text),
        _ => None,
    }
}

/// Reads `"1m 30s"`, `"250ms"`, `"1h30m"`.
fn spoken_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .filter(|end| *end > 0)?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let part = match &rest[..unit] {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            "d" => Duration::from_secs(number.checked_mul(86_400)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = rest[unit..].trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_keys_are_understood_and_the_last_counts() {
        let file = b"{\"again_in\": 5}\n\n {\"again_in\": \"1m 30s\"}\n{\"fatal\":\"no account\"}";
        let control = read(file).unwrap();
        assert_eq!(control.again, Some(Duration::from_secs(90)));
        assert_eq!(control.fatal.as_deref(), Some("no account"));
        assert_eq!(read(b"").unwrap(), Control::default());
    }

    #[test]
    fn durations_are_seconds_or_words() {
        let of = |text: &str| duration(&serde_json::from_str(text).unwrap());
        assert_eq!(of("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(of("\"250ms\""), Some(Duration::from_millis(250)));
        assert_eq!(of("\"1h30m\""), Some(Duration::from_secs(5400)));
        for wrong in [
            "-1",
            "\"\"",
            "\"5\"",
            "\"s\"",
            "\"5 weeks\"",
            "true",
            "\"999999999999999999d\"",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        let says = |file: &[u8]| read(file).unwrap_err().to_string();
        assert!(says(b"\nagain").contains("line 2: expected one JSON object, got \"again\""));
        assert!(says(b"{\"retry\": 1}").contains("got \"retry\""));
        assert!(says(b"{\"fatal\": 1}").contains("expects a message, got 1"));
        assert!(says(b"{\"again_in\": \"soon\"}").contains("got \"soon\""));
    }
}

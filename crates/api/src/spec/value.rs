//! Single JSON values, read with a typed refusal that says what came.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Flaw, nearest, shorten};
use crate::json;
use crate::limits;
use crate::proto;
use crate::span::Span;
use crate::timestamp::Timestamp;

/// A value in the text of its document.
pub(super) type Raw<'a> = &'a RawValue;

/// The members of an object in their order.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, Raw<'a>)>;

/// Reads a value of a type that is described as `expected`.
fn read<'a, T: Deserialize<'a>>(raw: Raw<'a>, expected: &'static str) -> Result<T, Flaw> {
    serde_json::from_str(raw.get()).map_err(|_| Flaw::WrongType {
        expected,
        got: shorten(raw.get()),
    })
}

pub(super) fn text(raw: Raw<'_>) -> Result<String, Flaw> {
    read(raw, "a text")
}

pub(super) fn texts(raw: Raw<'_>) -> Result<Vec<String>, Flaw> {
    read(raw, "a list of texts")
}

/// Reads a whole number; its bounds are checked with the rest of the spec when it fits at all.
pub(super) fn integer(raw: Raw<'_>, min: u32, max: u32) -> Result<u32, Flaw> {
    let number: serde_json::Number = read(raw, "a whole number")?;
    if number.is_f64() && !number.as_f64().is_some_and(|n| n.abs() >= u64::MAX as f64) {
        return Err(Flaw::WrongType {
            expected: "a whole number",
            got: shorten(raw.get()),
        });
    }
    let fits = number.as_u64().and_then(|n| u32::try_from(n).ok());
    fits.ok_or_else(|| Flaw::OutOfRange {
        min: min.into(),
        max: max.into(),
        got: shorten(raw.get()),
    })
}

/// Reads a duration as microseconds.
pub(super) fn micros(raw: Raw<'_>) -> Result<u64, Flaw> {
    if raw.get().starts_with('"') {
        return Ok(text(raw)?.parse::<Span>()?.0);
    }
    let secs: f64 = read(raw, "a duration such as \"1m 30s\" or a number of seconds")?;
    Ok(Span::from_secs_f64(secs)?.0)
}

/// Reads a point in time as microseconds since 1970.
pub(super) fn time(raw: Raw<'_>) -> Result<u64, Flaw> {
    let text: String = read(raw, "a time such as \"2027-01-31T08:00:00Z\"")?;
    Ok(text.parse::<Timestamp>()?.0)
}

/// A text is delivered as its bytes, anything else as compact JSON.
pub(super) fn payload(raw: Raw<'_>) -> Result<Bytes, Flaw> {
    if raw.get().starts_with('"') {
        return Ok(Bytes::from(text(raw)?));
    }
    Ok(Bytes::from(json::compact(raw.get())))
}

pub(super) fn output_mode(raw: Raw<'_>) -> Result<i32, Flaw> {
    let expected = "\"file\", \"stdout\" or \"none\"";
    let mode: Cow<'_, str> = read(raw, expected)?;
    match mode.as_ref() {
        "file" => Ok(proto::OutputMode::File.into()),
        "stdout" => Ok(proto::OutputMode::Stdout.into()),
        "none" => Ok(proto::OutputMode::None.into()),
        _ => Err(Flaw::WrongType {
            expected,
            got: shorten(raw.get()),
        }),
    }
}

/// Reads `{"NAME": "value"}`.
pub(super) fn variables(raw: Raw<'_>) -> Result<Vec<proto::Variable>, Flaw> {
    let map: BTreeMap<String, String> = read(raw, "an object of texts")?;
    let pairs = map.into_iter();
    Ok(pairs
        .map(|(name, value)| proto::Variable { name, value })
        .collect())
}

/// Reads `{"VARIABLE": "secret"}`, or `["NAME"]` for a variable named like its secret; a name given
/// twice is one variable.
pub(super) fn secrets(raw: Raw<'_>) -> Result<Vec<proto::Variable>, Flaw> {
    if raw.get().starts_with('{') {
        return variables(raw);
    }
    let names: BTreeSet<String> = read(raw, "an object of texts or a list of names")?;
    let pairs = names.into_iter().map(|name| proto::Variable {
        value: name.clone(),
        name,
    });
    Ok(pairs.collect())
}

/// Reads a pause such as `"10s"`, or `{"initial", "factor", "max", "jitter"}`. A fault inside the
/// object is reported with the name of its member.
pub(super) fn backoff(raw: Raw<'_>) -> Result<proto::Backoff, (String, Flaw)> {
    const FIELDS: &[&str] = &["initial", "factor", "max", "jitter"];
    let here = |flaw| (String::new(), flaw);
    let mut backoff = proto::Backoff {
        initial_us: limits::BACKOFF_INITIAL_US,
        factor_percent: limits::BACKOFF_FACTOR_PERCENT,
        cap_us: 0,
        jitter_percent: limits::BACKOFF_JITTER_PERCENT,
    };
    if !raw.get().starts_with('{') {
        backoff.initial_us = micros(raw).map_err(here)?;
    } else {
        for (name, raw) in members(raw).map_err(here)? {
            let read = match name.as_ref() {
                "initial" => micros(raw).map(|n| backoff.initial_us = n),
                "factor" => hundredths(raw).map(|n| backoff.factor_percent = n),
                "max" => micros(raw).map(|n| backoff.cap_us = n),
                "jitter" => fraction(raw).map(|n| backoff.jitter_percent = n),
                other => Err(Flaw::Unknown {
                    nearest: nearest(other, FIELDS),
                }),
            };
            read.map_err(|flaw| (format!(".{name}"), flaw))?;
        }
    }
    if backoff.cap_us == 0 {
        backoff.cap_us = limits::BACKOFF_CAP_US.max(backoff.initial_us);
    }
    Ok(backoff)
}

/// A factor, kept in hundredths.
fn hundredths(raw: Raw<'_>) -> Result<u32, Flaw> {
    let max = f64::from(limits::BACKOFF_FACTOR_PERCENT_MAX) / 100.0;
    let factor: f64 = read(raw, "a number")?;
    if !(1.0..=max).contains(&factor) {
        return Err(Flaw::OutOfRange {
            min: 1,
            max: max as u64,
            got: shorten(raw.get()),
        });
    }
    Ok((factor * 100.0).round() as u32)
}

/// A share from 0 to 1, kept in percent.
fn fraction(raw: Raw<'_>) -> Result<u32, Flaw> {
    let share: f64 = read(raw, "a number from 0 to 1")?;
    if !(0.0..=1.0).contains(&share) {
        return Err(Flaw::OutOfRange {
            min: 0,
            max: 1,
            got: shorten(raw.get()),
        });
    }
    Ok((share * 100.0).round() as u32)
}

/// The members of an object, each still in its own text.
pub(super) fn members(raw: Raw<'_>) -> Result<Members<'_>, Flaw> {
    use serde::de::{Deserializer, MapAccess, Visitor};

    struct Ordered;

    impl<'de> Visitor<'de> for Ordered {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry::<json::Key<'de>, &'de RawValue>()? {
                members.push((member.0.0, member.1));
            }
            Ok(members)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    deserializer
        .deserialize_map(Ordered)
        .map_err(|_| Flaw::WrongType {
            expected: "an object",
            got: shorten(raw.get()),
        })
}

/// The items of a list, each still in its own text.
pub(super) fn items(raw: Raw<'_>) -> Result<Vec<Raw<'_>>, Flaw> {
    read(raw, "a list")
}

//! Lengths of time, as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

use crate::limits::{DURATION_MAX_SECS, DURATION_MAX_US};

const MICROS_PER_SEC: f64 = 1e6;

/// The units of a written duration, in microseconds.
const UNITS: [(&str, u64); 9] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("sec", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
    ("w", 604_800_000_000),
];

/// A length of time in microseconds, at most [`DURATION_MAX_US`] when it was read.
///
/// In JSON it is read from a text such as `"1m 30s"` or a number of seconds, and written as a
/// number of seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span(pub u64);

/// A text or number that is no duration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseSpanError {
    /// Neither numbers with units nor a number of seconds.
    #[error("expected a duration such as \"1m 30s\" or a number of seconds, got {got:?}")]
    Malformed {
        /// What came.
        got: String,
    },
    /// A unit that is not known.
    #[error("expected one of the units us, ms, s, m, h, d, w; got {got:?}")]
    Unit {
        /// What came.
        got: String,
    },
    /// Below zero.
    #[error("a duration cannot be negative, got {got}")]
    Negative {
        /// What came.
        got: String,
    },
    /// Longer than anything is kept.
    #[error("a duration is at most {DURATION_MAX_SECS} seconds (100 years), got {got}")]
    TooLong {
        /// What came.
        got: String,
    },
}

impl Span {
    /// Reads a number of seconds.
    pub fn from_secs_f64(secs: f64) -> Result<Span, ParseSpanError> {
        let got = || secs.to_string();
        if secs < 0.0 {
            return Err(ParseSpanError::Negative { got: got() });
        }
        if secs.is_nan() {
            return Err(ParseSpanError::Malformed { got: got() });
        }
        let micros = (secs * MICROS_PER_SEC).round();
        if micros > DURATION_MAX_US as f64 {
            return Err(ParseSpanError::TooLong { got: got() });
        }
        Ok(Span(micros as u64))
    }

    /// As seconds, to the microsecond.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / MICROS_PER_SEC
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Span {
        Span(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        Duration::from_micros(span.0)
    }
}

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Span, ParseSpanError> {
        let malformed = || ParseSpanError::Malformed {
            got: text.to_owned(),
        };
        let trimmed = text.trim();
        if trimmed.starts_with('-') {
            return Err(ParseSpanError::Negative {
                got: trimmed.to_owned(),
            });
        }
        if let Some(secs) = decimal(trimmed) {
            return Span::from_secs_f64(secs);
        }
        let mut total = Span(0);
        let mut rest = trimmed;
        loop {
            let digits = rest.find(|c: char| c != '.' && !c.is_ascii_digit());
            let (number, after) = rest.split_at(digits.ok_or_else(malformed)?);
            let after = after.trim_start();
            let end = after.find(|c: char| !c.is_alphabetic());
            let (unit, after) = after.split_at(end.unwrap_or(after.len()));
            let number = decimal(number).ok_or_else(malformed)?;
            let micros = UNITS.iter().find(|(name, _)| *name == unit);
            let micros = micros
                .ok_or_else(|| ParseSpanError::Unit { got: unit.into() })?
                .1;
            let part = (number * micros as f64).round();
            if part + total.0 as f64 > DURATION_MAX_US as f64 {
                return Err(ParseSpanError::TooLong { got: text.into() });
            }
            total.0 += part as u64;
            rest = after.trim_start();
            if rest.is_empty() {
                return Ok(total);
            }
        }
    }
}

/// A plain decimal: digits with at most one point, no sign, no exponent.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b == b'.' || b.is_ascii_digit());
    (plain && text.bytes().any(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

impl fmt::Display for Span {
    /// The largest units first, without those that are zero: `1m 30s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: [&str; 6] = ["d", "h", "m", "s", "ms", "us"];
        let mut left = self.0;
        let mut gap = "";
        for name in SHOWN {
            let unit = UNITS.iter().find(|(unit, _)| *unit == name);
            let micros = unit.map_or(1, |(_, micros)| *micros);
            if left >= micros {
                write!(f, "{gap}{}{name}", left / micros)?;
                left %= micros;
                gap = " ";
            }
        }
        if self.0 == 0 {
            f.write_str("0s")
        } else {
            Ok(())
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1_000_000) {
            return serializer.serialize_u64(self.0 / 1_000_000);
        }
        serializer.serialize_f64(self.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        struct TextOrSeconds;

        impl Visitor<'_> for TextOrSeconds {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"1m 30s\" or a number of seconds")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_f64<E: Error>(self, secs: f64) -> Result<Span, E> {
                Span::from_secs_f64(secs).map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, secs: u64) -> Result<Span, E> {
                self.visit_f64(secs as f64)
            }

            fn visit_i64<E: Error>(self, secs: i64) -> Result<Span, E> {
                self.visit_f64(secs as f64)
            }
        }

        deserializer.deserialize_any(TextOrSeconds)
    }
}

impl utoipa::PartialSchema for Span {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let secs = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0.0))
            .maximum(Some(DURATION_MAX_SECS as f64));
        let either = OneOfBuilder::new().item(text).item(secs);
        let described = either.description(Some(
            "A duration: a text such as `1m 30s` (units us, ms, s, m, h, d, w), or seconds. \
             Answers always have seconds.",
        ));
        Schema::OneOf(described.build()).into()
    }
}

impl utoipa::ToSchema for Span {
    fn name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_texts_or_seconds() {
        for (text, micros) in [
            ("1m 30s", 90_000_000),
            ("1m30s", 90_000_000),
            ("90", 90_000_000),
            ("0.5", 500_000),
            ("1.5h", 5_400_000_000),
            ("250ms", 250_000),
            (" 2 d ", 172_800_000_000),
            ("0s", 0),
            ("100us", 100),
        ] {
            assert_eq!(text.parse(), Ok(Span(micros)), "{text:?}");
        }
        let read = |json: &str| serde_json::from_str::<Span>(json).map_err(|e| e.to_string());
        assert_eq!(read("1.5"), Ok(Span(1_500_000)));
        assert_eq!(read("2"), Ok(Span(2_000_000)));
        assert!(read("-2").is_err_and(|e| e.contains("negative")));
        assert!(read("true").is_err_and(|e| e.contains("1m 30s")));
        assert_eq!(
            serde_json::to_string(&Span(1_500_000)).ok(),
            Some("1.5".into())
        );
        assert_eq!(
            serde_json::to_string(&Span(3_000_000)).ok(),
            Some("3".into())
        );
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for bad in [
            "", "s", "1x", "-1s", "1..2s", "1m 30", "1e3s", "9999999w", "NaN", "inf", "٣s",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?} was accepted");
        }
        assert_eq!(
            "-1s".parse::<Span>(),
            Err(ParseSpanError::Negative { got: "-1s".into() })
        );
    }

    #[test]
    fn a_shown_duration_reads_back() {
        for micros in [0, 1, 90_000_000, 86_400_000_000, 3_723_004_005] {
            assert_eq!(Span(micros).to_string().parse(), Ok(Span(micros)));
        }
        assert_eq!(Span(90_000_000).to_string(), "1m 30s");
    }
}

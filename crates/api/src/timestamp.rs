//! Points in time, as every document shows them.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

use crate::limits::TIMESTAMP_MAX_US;

/// Microseconds since 1970, UTC. Shown as RFC 3339 with six fraction digits and `Z`, always, so
/// that texts sort as times do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub u64);

/// A text that is no point in time from 1970 to 9999.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected a time such as \"2027-01-31T08:00:00Z\" (RFC 3339, from 1970), got {got:?}")]
pub struct ParseTimestampError {
    /// What came.
    pub got: String,
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.min(TIMESTAMP_MAX_US);
        let (secs, fraction) = (micros / 1_000_000, micros % 1_000_000);
        let (year, month, day) = date(secs / 86_400);
        let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z"
        )
    }
}

/// The Gregorian date of a day counted from 1970-01-01. Eras of 400 years that begin in March put
/// the leap day last, which is all there is to it.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leaps = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Timestamp, ParseTimestampError> {
        let refuse = || ParseTimestampError {
            got: text.to_owned(),
        };
        // Date, `T`, time to the second, offset: what is shorter may be ISO 8601, not RFC 3339.
        let shaped = text.len() >= "1970-01-01T00:00:00Z".len() && !text.contains('[');
        let micros = shaped.then(|| micros(text)).flatten().ok_or_else(refuse)?;
        (micros <= TIMESTAMP_MAX_US)
            .then_some(Timestamp(micros))
            .ok_or_else(refuse)
    }
}

/// Microseconds since 1970. Date and time are read apart from their offset: jiff's own points in
/// time end two days before the year 9999 does.
fn micros(text: &str) -> Option<u64> {
    const EPOCH: jiff::civil::DateTime = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
    let local = pieces.date().to_datetime(pieces.time()?);
    let offset = i128::from(pieces.to_numeric_offset()?.seconds()) * 1_000_000;
    u64::try_from(local.duration_since(EPOCH).as_micros() - offset).ok()
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339; in answers UTC with six fraction digits."));
        Schema::Object(text.build()).into()
    }
}

impl utoipa::ToSchema for Timestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_with_six_fraction_digits() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(
            Timestamp(1_709_164_800_000_001).to_string(),
            "2024-02-29T00:00:00.000001Z"
        );
        assert_eq!(
            Timestamp(TIMESTAMP_MAX_US).to_string(),
            "9999-12-31T23:59:59.999999Z"
        );
    }

    #[test]
    fn every_day_reads_back_as_it_is_shown() {
        for day in (0..2_932_896).step_by(17) {
            let time = Timestamp(day * 86_400_000_000 + 43_200_123_456);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        let last = Timestamp(TIMESTAMP_MAX_US);
        assert_eq!(last.to_string().parse(), Ok(last));
        assert!("10000-01-01T00:00:00Z".parse::<Timestamp>().is_err());
        assert!("9999-12-31T23:59:59-01:00".parse::<Timestamp>().is_err());
    }

    #[test]
    fn offsets_are_taken_and_other_texts_refused() {
        assert_eq!(
            "1970-01-01T01:00:00.5+01:00".parse(),
            Ok(Timestamp(500_000))
        );
        for bad in [
            "",
            "now",
            "2024-01-01",
            "2024-01-01T00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T00:00:00",
            "1969-12-31T23:59:59Z",
            "2024-01-01T00:00:00Z[Europe/Berlin]",
            "1704067200",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad:?} was accepted");
        }
    }
}

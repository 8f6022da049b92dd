//! Points in time, as a command line names them.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use capataz_api::{Span, Timestamp};

/// A moment: a time such as `2027-01-31T08:00:00Z`, or how long ago it is, such as `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Timestamp);

/// A text that is neither.
#[derive(Debug, thiserror::Error)]
#[error("expected a time such as \"2027-01-31T08:00:00Z\", or how long ago, such as \"2h\"")]
pub(crate) struct NoMoment;

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Moment, NoMoment> {
        if let Ok(time) = text.parse() {
            return Ok(Moment(time));
        }
        let ago: Span = text.parse().map_err(|_| NoMoment)?;
        Ok(Moment(Timestamp(now().0.saturating_sub(ago.0))))
    }
}

/// The time by this machine's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since.map_or(0, |since| since.as_micros());
    Timestamp(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_an_age() {
        let exact: Moment = "1970-01-01T00:00:01Z".parse().unwrap();
        assert_eq!(exact.0, Timestamp(1_000_000));
        let before = now().0 - 7_200_000_000;
        let ago: Moment = "2h".parse().unwrap();
        assert!((before..before + 60_000_000).contains(&ago.0.0), "{ago:?}");
        assert!("yesterday".parse::<Moment>().is_err());
    }
}

//! Places in the stream of events.

use std::fmt;
use std::str::FromStr;

/// The place of one item: its record, the event in it, and, when that event accepted many tasks,
/// which of them. `R-E` or `R-E.T` on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct EventCursor {
    pub(super) record: u64,
    pub(super) event: u32,
    pub(super) task: u32,
}

/// Where a stream begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Begin {
    /// With a record, all of it. A plain number on the wire.
    Record(u64),
    /// After an item.
    After(EventCursor),
}

impl Begin {
    /// The first record to read.
    pub(super) fn record(self) -> u64 {
        match self {
            Begin::Record(record) => record,
            Begin::After(cursor) => cursor.record,
        }
    }

    /// Whether an item was seen before.
    pub(super) fn is_past(self, cursor: EventCursor) -> bool {
        match self {
            Begin::Record(record) => cursor.record < record,
            Begin::After(after) => cursor <= after,
        }
    }
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.record, self.event)?;
        match self.task {
            0 => Ok(()),
            task => write!(f, ".{task}"),
        }
    }
}

/// A text that no stream has sent.
#[derive(Debug, PartialEq)]
pub(super) struct ParseBeginError;

impl FromStr for Begin {
    type Err = ParseBeginError;

    fn from_str(text: &str) -> Result<Begin, ParseBeginError> {
        let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<u64>().map_err(|_| ParseBeginError),
            false => Err(ParseBeginError),
        };
        let small = |text: &str| u32::try_from(number(text)?).map_err(|_| ParseBeginError);
        let Some((record, place)) = text.split_once('-') else {
            return Ok(Begin::Record(number(text)?));
        };
        let (event, task) = place.split_once('.').unwrap_or((place, "0"));
        let record = number(record)?;
        Ok(Begin::After(EventCursor {
            record,
            event: small(event)?,
            task: small(task)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        for (record, event, task) in [(0, 0, 0), (7, 3, 0), (7, 3, 9_999)] {
            let cursor = EventCursor {
                record,
                event,
                task,
            };
            assert_eq!(cursor.to_string().parse(), Ok(Begin::After(cursor)));
        }
        assert_eq!("0".parse(), Ok(Begin::Record(0)));
        for bad in [
            "",
            "-",
            "1-",
            "-1",
            "1-2.",
            "a",
            "1-2-3",
            "+1",
            "99999999999999999999",
        ] {
            assert_eq!(bad.parse::<Begin>(), Err(ParseBeginError), "{bad:?}");
        }
    }

    #[test]
    fn what_was_seen_is_past() {
        let cursor = |record, event, task| EventCursor {
            record,
            event,
            task,
        };
        let after = Begin::After(cursor(5, 2, 1));
        assert!(after.is_past(cursor(5, 2, 1)) && after.is_past(cursor(5, 1, 9)));
        assert!(!after.is_past(cursor(5, 2, 2)) && !after.is_past(cursor(6, 0, 0)));
    }
}

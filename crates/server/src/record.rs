//! A journal record: one batch of events with the version of their format.

use bytes::Bytes;
use capataz_engine::Event;

/// The format that this build writes; it reads no other.
const FORMAT: u8 = 1;

/// A record that this build cannot read. It is never skipped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by another version.
    #[error("record format {got} is not format {FORMAT}, the one this build reads")]
    Format {
        /// What came.
        got: u8,
    },
    /// There is nothing in it.
    #[error("the record is empty")]
    Empty,
    /// The bytes are not what their format says.
    #[error("the record cannot be decoded: {0}")]
    Decode(#[from] postcard::Error),
    /// Its events end before it does.
    #[error("the record goes on for {left} bytes after its events")]
    Trailing {
        /// How many are too many.
        left: usize,
    },
}

/// Encodes a batch. `None` if the encoder fails, which it does for no event there is.
pub fn encode(events: &[Event]) -> Option<Bytes> {
    let mut buffer = Vec::with_capacity(64 + 48 * events.len());
    buffer.push(FORMAT);
    postcard::to_extend(events, buffer).ok().map(Bytes::from)
}

/// Decodes a batch.
pub fn decode(record: &[u8]) -> Result<Vec<Event>, RecordError> {
    match record.split_first() {
        None => Err(RecordError::Empty),
        Some((&FORMAT, events)) => match postcard::take_from_bytes(events)? {
            (events, []) => Ok(events),
            (_, rest) => Err(RecordError::Trailing { left: rest.len() }),
        },
        Some((got, _)) => Err(RecordError::Format { got: *got }),
    }
}

#[cfg(test)]
mod tests {
    use capataz_engine::{Change, Timestamp};

    use super::*;

    #[test]
    fn what_was_encoded_is_decoded() {
        let events = vec![Event {
            at: Timestamp(7),
            change: Change::TermRenewed,
        }];
        let record = encode(&events).expect("events encode");
        assert_eq!(decode(&record), Ok(events));
        assert_eq!(decode(&[]), Err(RecordError::Empty));
        assert_eq!(decode(&[9, 0]), Err(RecordError::Format { got: 9 }));
        assert!(decode(&record[..3]).is_err());
    }

    #[test]
    fn a_record_ends_with_its_events() {
        let longer = [&encode(&[]).expect("no events encode")[..], b"more"].concat();
        assert_eq!(decode(&longer), Err(RecordError::Trailing { left: 4 }));
    }
}

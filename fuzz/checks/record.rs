//! A record of the journal: what is read can be written, and says the same again.

use capataz_server::record::{decode, encode};

pub(crate) fn check(bytes: &[u8]) {
    let Ok(events) = decode(bytes) else { return };
    let record = encode(&events).expect("events encode");
    assert!(record.len() <= bytes.len(), "it grew to {record:?}");
    assert_eq!(decode(&record), Ok(events));
}

//! The entries of a store: either they make a state, which gives the same entries again, or the
//! first that does not fit is refused.

use std::collections::BTreeMap;

use capataz_engine::{EntryKey, State, TaskId, outstanding};
use capataz_server::store::{decode_key, encode_key};

type Entries = BTreeMap<EntryKey, Vec<u8>>;

pub(crate) fn check(bytes: &[u8]) {
    let given = read(bytes);
    let Some(state) = restored(&given) else {
        return;
    };
    outstanding(&state);
    let entries: Entries = state
        .entry_keys()
        .map(|key| (key, state.entry(key).expect("a key that was listed")))
        .collect();
    assert!(given.keys().all(|key| entries.contains_key(key)));
    let again = restored(&entries).expect("a state gives entries that make one");
    assert_eq!(again.hash(), state.hash());
}

/// Entries as the store hands them out: sorted, each key once.
fn restored(entries: &Entries) -> Option<State> {
    let mut state = State::default();
    for (key, value) in entries {
        state.restore_entry(*key, value).ok()?;
    }
    state.finish_restore();
    Some(state)
}

/// Each entry: its key's length and bytes, its value's length in two bytes and bytes. What is cut
/// short ends the list.
fn read(mut rest: &[u8]) -> Entries {
    let mut entries = Entries::new();
    while let Some((length, after)) = rest.split_first() {
        let Some((key, after)) = after.split_at_checked((*length).into()) else {
            break;
        };
        let Some((length, after)) = after.split_first_chunk() else {
            break;
        };
        let Some((value, after)) = after.split_at_checked(u16::from_le_bytes(*length).into())
        else {
            break;
        };
        if let Some(name) = name(key) {
            entries.insert(name, value.to_vec());
        }
        rest = after;
    }
    entries
}

fn name(key: &[u8]) -> Option<EntryKey> {
    // Tasks have a table of their own, whose key is a number that SQLite takes.
    if let [4, id @ ..] = key {
        let id = u64::from_be_bytes(id.try_into().ok()?) & (u64::MAX >> 1);
        return Some(EntryKey::Task(TaskId(id)));
    }
    let name = decode_key(key)?;
    assert_eq!(encode_key(&name), key);
    Some(name)
}

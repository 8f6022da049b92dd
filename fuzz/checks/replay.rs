//! Whatever a record says, folding it is total: no panic, and no state without bounds.

use capataz_engine::{State, apply, effects, outstanding};
use capataz_server::record::decode;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(events) = decode(bytes) else { return };
    let mut state = State::default();
    for event in &events {
        apply(&mut state, event);
        effects(&state, event);
    }
    outstanding(&state);
    state.take_dirty();
    state.hash();
}

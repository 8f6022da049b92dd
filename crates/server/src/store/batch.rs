//! What the owner hands to the projector.

use std::sync::Arc;

use capataz_engine::{EntryKey, Event};
use capataz_journal::Position;

/// Durable events in order, and perhaps the state they led to.
///
/// A batch must be durable in the journal before it is handed over: the store never takes back.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The store's position once the batch is in it.
    pub end: Position,
    /// What happened.
    pub events: Arc<Vec<Event>>,
    /// The entries that changed since the last batch that had some, as of the last event of this
    /// one. Only such a batch ends a transaction; the others wait for the next that does.
    pub entries: Option<Vec<(EntryKey, Option<Vec<u8>>)>>,
    /// About how much memory it holds, in bytes; the owner's measure of the projector's lag.
    pub bytes: usize,
}

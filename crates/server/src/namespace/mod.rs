//! A namespace at work: the owner with its threads, and the handle that everything else asks
//! through.
//!
//! | thread | does | never |
//! |---|---|---|
//! | owner | takes turns; appends what comes alone | decides but through the engine |
//! | journal | appends, syncs, trims | knows what a task is |
//! | store | projects batches into SQLite | decides anything |

mod appender;
mod gauges;
mod handle;
mod journal_thread;
mod open;
mod owner_thread;
mod store_thread;
mod tokens;

pub use gauges::Gauges;
pub(crate) use handle::Admission;
pub use handle::Namespace;
pub use open::{NamespaceOptions, OpenError, RunningNamespace};
#[cfg(test)]
pub(crate) use tokens::TokenKeeper;
pub(crate) use tokens::Tokens;

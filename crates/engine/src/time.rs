//! Points in time and lengths of time. There is no `now` in the engine: it comes with the command.

use std::ops::Add;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z by the leader's clock.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Timestamp(pub u64);

/// A length of time in microseconds.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Span(pub u64);

impl Span {
    /// A span of whole seconds.
    pub const fn secs(secs: u64) -> Span {
        Span(secs.saturating_mul(1_000_000))
    }

    /// A span of whole milliseconds.
    pub const fn millis(millis: u64) -> Span {
        Span(millis.saturating_mul(1_000))
    }
}

impl Add<Span> for Timestamp {
    type Output = Timestamp;

    /// Saturates: a task delayed for longer than time lasts waits for ever instead of wrapping.
    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}

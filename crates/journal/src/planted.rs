//! Bugs that the simulation plants to see that its checkers catch them.
//!
//! Without the feature `planted`, which the simulation alone asks for, there are none: [`planted`]
//! is a constant false, and the compiler removes whatever asks it.

/// A planted bug. Where it sits says `planted(Bug::...)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// Whoever writes at the tail is let in, also one whose leadership is over.
    EpochNotChecked,
    /// The history ends at the first record that cannot be read, whatever follows it.
    CutAtFirstBadRecord,
    /// A header's own checksum is not looked at.
    HeaderChecksumIgnored,
}

#[cfg(feature = "planted")]
mod chosen {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static CHOSEN: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug in this thread, instead of the one before.
    pub fn plant(bug: Option<Bug>) {
        CHOSEN.set(bug);
    }

    /// Whether that bug is planted in this thread.
    pub fn planted(bug: Bug) -> bool {
        CHOSEN.get() == Some(bug)
    }
}

#[cfg(feature = "planted")]
pub use chosen::{plant, planted};

/// Whether that bug is planted: never in a build for users.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn planted(_: Bug) -> bool {
    false
}

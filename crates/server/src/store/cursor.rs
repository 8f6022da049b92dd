//! Where a list goes on. Opaque to clients: the text may change with any version.

use std::fmt;
use std::str::FromStr;

use capataz_engine::Key;

/// The last item of a page; the next page begins after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor(pub(super) Key);

/// A text that no list has returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a cursor as a list returned it, got {got:?}")]
pub struct ParseCursorError {
    /// What came.
    pub got: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{:x}", self.0.to_raw())
    }
}

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Cursor, ParseCursorError> {
        let digits = text
            .strip_prefix('k')
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()) && digits.len() <= 16);
        let raw = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        raw.filter(|raw| *raw <= i64::MAX as u64)
            .map(|raw| Cursor(Key::from_raw(raw)))
            .ok_or_else(|| ParseCursorError {
                got: text.to_owned(),
            })
    }
}

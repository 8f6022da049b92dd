//! What is said to people, on stderr, and whether it is coloured.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// Says one line. Nobody listening is no reason to stop working, so a failure is ignored, where
/// `eprintln!` would panic.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether a stream may be coloured: a person looks, and has not set `NO_COLOR`.
pub(crate) fn colors(stream: &impl IsTerminal) -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && stream.is_terminal()
}

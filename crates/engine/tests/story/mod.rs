//! The language of the scenarios: one command a line, and below it, indented, what it brought
//! about. `tests/scenarios/README.md` explains it to readers who do not write Rust.

mod line;
mod orders;
mod stage;
mod words;

pub(crate) use stage::tell;

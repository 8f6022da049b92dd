//! The language of the scenarios: one command a line, and below it, indented, what it brought
//! about. `tests/scenarios/README.md` explains it to readers who do not write Rust.

mod graph;
mod line;
mod orders;
mod owner;
mod run_orders;
mod run_words;
mod show;
mod stage;
mod words;

pub(crate) use stage::tell;

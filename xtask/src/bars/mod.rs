//! The acceptance bars that need real processes: the release binary as server, workers and
//! clients, at full size.
//!
//! What is checked is what the tasks and the clients wrote down themselves, against what the
//! product says; nothing in here shares code with it. Each part of a bar prints one line of JSON
//! on stdout. docs/reference/acceptance.md says what each of them means.

mod affinity;
mod hash;
mod kills;
mod ledger;
pub(crate) mod options;
mod pods;
pub(crate) mod process;
pub(crate) mod records;
mod rolling;
pub(crate) mod system;
pub(crate) mod witness;
mod workflows;

use anyhow::{Result, bail};
use serde_json::Value;

use options::Options;
pub(crate) use witness::run as run_witness;

type Bar = fn(&Options) -> Result<()>;

/// The bars by name; `all` runs them one after the other.
const BARS: &[(&str, Bar)] = &[
    ("hash", hash::run),
    ("pods", pods::run),
    ("kills", kills::run),
    ("rolling", rolling::run),
    ("affinity", affinity::run),
    ("workflows", workflows::run),
];

pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let options = Options::parse(arguments)?;
    let mut found = false;
    for (name, bar) in BARS {
        if options.bar == *name || options.bar == "all" {
            found = true;
            eprintln!("== {name}");
            bar(&options)?;
        }
    }
    if !found {
        let names: Vec<&str> = BARS.iter().map(|(name, _)| *name).collect();
        bail!(
            "there is no bar {:?}; there are {} and all",
            options.bar,
            names.join(", ")
        );
    }
    Ok(())
}

/// Prints the figures of one part of a bar.
fn print(figures: &Value) {
    println!("{figures}");
}

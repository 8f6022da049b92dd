//! `cargo xtask bars NAME [--full] [--tasks N] [--cycles N] [--seed N] [--binary FILE]`

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// What was asked for.
pub(crate) struct Options {
    pub(crate) bar: String,
    /// The sizes of the acceptance bar; a quick look otherwise.
    full: bool,
    tasks: Option<usize>,
    cycles: Option<usize>,
    seed: u64,
    pub(crate) binary: PathBuf,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
        let mut options = Options {
            bar: String::new(),
            full: false,
            tasks: None,
            cycles: None,
            seed: 1,
            binary: crate::root().join("target/release/capataz"),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("{argument} has no value"))
            };
            match argument.as_str() {
                "--full" => options.full = true,
                "--tasks" => options.tasks = Some(value()?.parse()?),
                "--cycles" => options.cycles = Some(value()?.parse()?),
                "--seed" => options.seed = value()?.parse()?,
                "--binary" => options.binary = value()?.into(),
                name if options.bar.is_empty() && !name.starts_with('-') => {
                    options.bar = name.to_owned();
                }
                other => bail!("bars has no argument {other:?}"),
            }
        }
        ensure!(
            !options.bar.is_empty(),
            "which bar? `cargo xtask bars all` runs them all"
        );
        let binary = &options.binary;
        ensure!(
            binary.is_file(),
            "{} is missing: cargo build --release -p capataz-cli",
            binary.display()
        );
        options.binary = binary.canonicalize()?;
        Ok(options)
    }

    /// How many tasks: what was asked for, else the bar's own number or a quick look's.
    pub(crate) fn tasks(&self, full: usize, quick: usize) -> usize {
        self.tasks.unwrap_or(if self.full { full } else { quick })
    }

    /// How often something is killed, likewise.
    pub(crate) fn cycles(&self, full: usize, quick: usize) -> usize {
        self.cycles.unwrap_or(if self.full { full } else { quick })
    }

    /// Decides when and whom; the same seed decides the same.
    pub(crate) fn dice(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }
}

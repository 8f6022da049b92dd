//! `cargo xtask bars NAME [--full] [--tasks N] [--cycles N] [--seed N] [--binary FILE]`

use std::path::{Path, PathBuf};

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
            binary: release_binary(),
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
        options.binary = whole_path(&options.binary)?;
        Ok(options)
    }

    /// Whether the sizes of the acceptance bar were asked for.
    pub(crate) fn is_full(&self) -> bool {
        self.full
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

/// The binary that is run unless another one is named.
pub(crate) fn release_binary() -> PathBuf {
    crate::root().join("target/release/capataz")
}

/// Where a binary is, whatever folder its processes run in.
pub(crate) fn whole_path(binary: &Path) -> Result<PathBuf> {
    ensure!(
        binary.is_file(),
        "{} is missing: cargo build --release -p capataz-cli",
        binary.display()
    );
    Ok(binary.canonicalize()?)
}

//! `cargo xtask torture NAME [--rounds N] [--tasks N] [--seed N] [--binary FILE]`

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::bars::options::{release_binary, whole_path};

/// What was asked for.
pub(crate) struct Options {
    pub(crate) name: String,
    /// Kills, pauses, cuts, injections or fills.
    pub(crate) rounds: usize,
    /// Tasks, over all rounds.
    pub(crate) tasks: usize,
    /// Decides when, and whom; the same seed decides the same.
    pub(crate) seed: u64,
    pub(crate) binary: PathBuf,
}

impl Options {
    /// Reads the arguments; `defaults` are rounds and tasks of a torture that names none.
    pub(crate) fn parse(
        mut arguments: impl Iterator<Item = String>,
        defaults: impl Fn(&str) -> Option<(usize, usize)>,
    ) -> Result<Options> {
        let name = arguments.next().unwrap_or_default();
        let (rounds, tasks) = defaults(&name)
            .with_context(|| format!("there is no torture {name:?}: {}", super::NAMES))?;
        let mut options = Options {
            name,
            rounds,
            tasks,
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
                "--rounds" => options.rounds = value()?.parse()?,
                "--tasks" => options.tasks = value()?.parse()?,
                "--seed" => options.seed = value()?.parse()?,
                "--binary" => options.binary = value()?.into(),
                other => bail!("torture has no argument {other:?}"),
            }
        }
        ensure!(options.rounds > 0, "nothing is proved in no rounds");
        options.binary = whole_path(&options.binary)?;
        Ok(options)
    }

    pub(crate) fn dice(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }
}

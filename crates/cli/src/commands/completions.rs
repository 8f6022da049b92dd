//! `completions`

use clap::CommandFactory;
use clap_complete::Shell;

use super::Context;
use crate::arguments::Arguments;
use crate::failure::{Exit, Failure};

/// Print a script that completes commands and flags in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  capataz completions bash > ~/.local/share/bash-completion/completions/capataz
  capataz completions fish > ~/.config/fish/completions/capataz.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Arguments::command(),
            "capataz",
            &mut script,
        );
        context.output.write(&script)?;
        Ok(Exit::Success)
    }
}

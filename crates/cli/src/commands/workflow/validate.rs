//! `workflow validate`

use std::path::PathBuf;

use capataz_workflow::Workflow;

use super::print;
use crate::failure::{Exit, Failure, Told};
use crate::runs::definition::{read, tell};

/// Check workflow files; say everything that is wrong with them, with line and column.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  capataz workflow validate etl.yaml

Exit code 1 when a file is refused. Nothing is sent to a server.")]
pub(super) struct Validate {
    /// Files in YAML or JSON; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Files that are refused; why was said file by file.
#[derive(Debug, thiserror::Error)]
#[error("{refused} of {given} files are refused")]
struct Refused {
    refused: usize,
    given: usize,
}

impl Told for Refused {
    fn hint(&self) -> Option<String> {
        Some("docs/reference/workflow-file.md describes every field".to_owned())
    }
}

impl Validate {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let mut refused = 0;
        for file in &self.files {
            match Workflow::parse(&read(file)?) {
                Ok(workflow) => {
                    let (name, steps) = (workflow.name(), workflow.steps().len());
                    print(&format!("{}: {name}, {steps} steps\n", file.display()))?;
                }
                Err(refusal) => {
                    refused += 1;
                    tell(file, &refusal);
                }
            }
        }
        match refused {
            0 => Ok(Exit::Success),
            refused => Err(Refused {
                refused,
                given: self.files.len(),
            }
            .into()),
        }
    }
}

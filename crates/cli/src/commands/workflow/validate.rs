//! `workflow validate`

use std::path::PathBuf;

use capataz_api::rest::WorkflowChecked;
use capataz_workflow::{Workflow, checked};
use serde::Serialize;

use crate::commands::Context;
use crate::failure::{Exit, Failure, Told};
use crate::output::{Report, Sheet};
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
#[error("refused: {}", self.0.join(", "))]
struct Refused(Vec<String>);

impl Told for Refused {
    fn hint(&self) -> Option<String> {
        Some("docs/reference/workflow-file.md describes every field".to_owned())
    }
}

/// What came of checking files.
#[derive(Serialize)]
struct Checked {
    files: Vec<File>,
}

/// What came of checking one.
#[derive(Serialize)]
struct File {
    file: String,
    #[serde(flatten)]
    checked: WorkflowChecked,
}

impl Validate {
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let mut files = Vec::with_capacity(self.files.len());
        for path in &self.files {
            let read = Workflow::parse(&read(path)?);
            if let Err(refusal) = &read {
                tell(path, refusal);
            }
            files.push(File {
                file: path.display().to_string(),
                checked: checked(read.as_ref()),
            });
        }
        let refused = files.iter().filter(|file| !file.checked.valid);
        let refused: Vec<String> = refused.map(|file| file.file.clone()).collect();
        context.output.show(&Checked { files })?;
        match refused.is_empty() {
            true => Ok(Exit::Success),
            false => Err(Refused(refused).into()),
        }
    }
}

impl Report for Checked {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&[]);
        let good = self.files.iter().filter(|file| file.checked.valid);
        for File { file, checked } in good {
            let name = checked.name.as_deref().unwrap_or_default();
            let steps = checked.steps.unwrap_or_default();
            sheet.note(format!("{file}: {name}, {steps} steps"));
        }
        sheet
    }

    fn ids(&self) -> Vec<String> {
        let good = self.files.iter().filter(|file| file.checked.valid);
        good.map(|file| file.file.clone()).collect()
    }
}

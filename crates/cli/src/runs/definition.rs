//! Files with definitions of workflows.

use std::path::{Path, PathBuf};

use capataz_workflow::{Refusal, Workflow};

use crate::failure::Told;
use crate::talk::say;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        path: PathBuf,
        cause: std::io::Error,
    },
    /// It is no definition; why was told line by line.
    #[error("{} is refused", path.display())]
    Refused { path: PathBuf },
    /// It is no JSON of the form that was expected.
    #[error("{}: expected {expected}: {cause}", path.display())]
    NotJson {
        path: PathBuf,
        expected: &'static str,
        cause: serde_json::Error,
    },
}

impl Told for FileError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            FileError::Refused { .. } => "docs/reference/workflow-file.md describes every field",
            FileError::Unreadable { .. } | FileError::NotJson { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// The text of a file; `-` is stdin.
pub(crate) fn read(file: &Path) -> Result<String, FileError> {
    let text = match file.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(file),
    };
    text.map_err(|cause| FileError::Unreadable {
        path: file.to_owned(),
        cause,
    })
}

/// The workflow of a file; every flaw of it is told.
pub(crate) fn workflow(file: &Path) -> Result<Workflow, FileError> {
    Workflow::parse(&read(file)?).map_err(|refusal| {
        tell(file, &refusal);
        FileError::Refused {
            path: file.to_owned(),
        }
    })
}

/// One line a flaw, as compilers and editors have it: file, line, column, what.
pub(crate) fn tell(file: &Path, refusal: &Refusal) {
    let file = file.display();
    for flaw in &refusal.flaws {
        let (line, column) = (flaw.place.line, flaw.place.column);
        let path = match flaw.path.as_str() {
            "" => String::new(),
            path => format!("{path} "),
        };
        let hint = flaw.hint.as_ref().map(|hint| format!("; {hint}"));
        let hint = hint.unwrap_or_default();
        say(format_args!(
            "{file}:{line}:{column}: {path}{}{hint}",
            flaw.reason
        ));
    }
    if refusal.more > 0 {
        say(format_args!("{file}: and {} more", refusal.more));
    }
}

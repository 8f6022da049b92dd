//! Files with definitions of workflows.

use std::fmt;
use std::path::{Path, PathBuf};

use capataz_api::rest::WorkflowFlaw;
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
    for flaw in &refusal.flaws {
        let place = (flaw.place.line, flaw.place.column);
        tell_one(file, place, &flaw.path, &flaw.reason, flaw.hint.as_deref());
    }
    if refusal.more > 0 {
        say(format_args!(
            "{}: and {} more",
            file.display(),
            refusal.more
        ));
    }
}

/// [`tell`] for what a server found.
pub(crate) fn tell_all(file: &Path, flaws: &[WorkflowFlaw]) {
    for flaw in flaws {
        let place = (flaw.line, flaw.column);
        tell_one(file, place, &flaw.path, &flaw.reason, flaw.hint.as_deref());
    }
}

fn tell_one(
    file: &Path,
    (line, column): (u32, u32),
    path: &str,
    reason: &dyn fmt::Display,
    hint: Option<&str>,
) {
    let file = file.display();
    // What the file as a whole is to blame for has no line.
    let place = match line {
        0 => String::new(),
        line => format!(":{line}:{column}"),
    };
    let path = match path {
        "" => String::new(),
        path => format!("{path} "),
    };
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    say(format_args!("{file}{place}: {path}{reason}{hint}"));
}

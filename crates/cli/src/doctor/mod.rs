//! Checks of the machine: what a durable queue needs from its disk, clock and limits.
//!
//! Nothing here changes the data folder; the sync measurement uses a file of its own, removed
//! afterwards.

mod clock;
mod disk;
pub(crate) mod sync;

use std::path::Path;

pub(crate) use disk::file_system_name;
use serde::Serialize;

use crate::output::{Report, Sheet};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Nothing to say.
    Ok,
    /// It works, and something about it should be known.
    Warning,
    /// It will not work, or not safely.
    Failed,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    /// What was looked at.
    pub(crate) name: &'static str,
    /// How it ended.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it; empty when there is nothing to do.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) hint: &'static str,
}

impl Check {
    pub(crate) fn ok(name: &'static str, found: String) -> Check {
        Check {
            name,
            verdict: Verdict::Ok,
            found,
            hint: "",
        }
    }

    pub(crate) fn warning(name: &'static str, found: String, hint: &'static str) -> Check {
        Check {
            name,
            verdict: Verdict::Warning,
            found,
            hint,
        }
    }

    pub(crate) fn failed(name: &'static str, found: String, hint: &'static str) -> Check {
        Check {
            name,
            verdict: Verdict::Failed,
            found,
            hint,
        }
    }
}

/// All checks.
#[derive(Debug, Serialize)]
pub(crate) struct Diagnosis {
    /// In the order in which they were made.
    pub(crate) checks: Vec<Check>,
}

impl Diagnosis {
    /// Whether any check failed; warnings are none.
    pub(crate) fn failed(&self) -> bool {
        self.checks
            .iter()
            .any(|check| check.verdict == Verdict::Failed)
    }
}

/// Checks everything about this machine for a server whose data is in `data_dir`.
pub(crate) fn examine(data_dir: &Path) -> Vec<Check> {
    let folder = disk::existing(data_dir);
    let mut checks = vec![disk::file_system(folder)];
    checks.push(disk::free_space(folder));
    checks.push(sync::check(folder));
    checks.push(clock::check());
    checks.push(disk::open_files());
    checks
}

impl Report for Diagnosis {
    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&["CHECK", "VERDICT", "FOUND"]);
        for check in &self.checks {
            let verdict = match check.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Failed => "failed",
            };
            sheet.row([
                check.name.to_owned(),
                verdict.to_owned(),
                check.found.clone(),
            ]);
            if !check.hint.is_empty() {
                sheet.note(format!("{}: {}", check.name, check.hint));
            }
        }
        sheet
    }

    /// The checks that are not ok.
    fn ids(&self) -> Vec<String> {
        let bad = self
            .checks
            .iter()
            .filter(|check| check.verdict != Verdict::Ok);
        bad.map(|check| check.name.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_examined_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let checks = examine(&folder.path().join("not/yet/there"));
        let names: Vec<_> = checks.iter().map(|check| check.name).collect();
        assert_eq!(
            names,
            ["file system", "free space", "sync", "clock", "open files"]
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_a_failed_check_fails_the_diagnosis() {
        let warned = Check::warning("x", "y".into(), "z");
        assert!(
            !Diagnosis {
                checks: vec![warned.clone()]
            }
            .failed()
        );
        assert!(
            Diagnosis {
                checks: vec![warned, Check::failed("x", "y".into(), "z")]
            }
            .failed()
        );
    }
}

//! What clients were told, in a file: a line for each submission, complete before the next begins.
//!
//! Each task has a number of ours, so that a task nobody submitted, or one that was accepted
//! twice, is seen.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The file in the folder of a torture.
const FILE: &str = "told";

/// One client's pen.
pub(crate) struct Pen {
    file: File,
}

impl Pen {
    pub(crate) fn new(folder: &Path) -> Result<Pen> {
        let path = folder.join(FILE);
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Pen { file })
    }

    /// A submission was answered: the tasks from `first` on have these ids.
    pub(crate) fn accepted(&mut self, first: usize, ids: &[u64]) -> Result<()> {
        let mut line = format!("accepted {first}");
        for id in ids {
            line.push_str(&format!(" {id}"));
        }
        line.push('\n');
        Ok(self.file.write_all(line.as_bytes())?)
    }

    /// A submission had no answer: its tasks may be there or not.
    pub(crate) fn unanswered(&mut self, numbers: &Range<usize>) -> Result<()> {
        let line = format!("unanswered {} {}\n", numbers.start, numbers.len());
        Ok(self.file.write_all(line.as_bytes())?)
    }

    /// A worker was told that its report of a success is on record.
    pub(crate) fn completed(&mut self, id: u64, attempt: u32) -> Result<()> {
        Ok(self
            .file
            .write_all(format!("completed {id} {attempt}\n").as_bytes())?)
    }
}

/// All that clients were told.
#[derive(Default)]
pub(crate) struct Notes {
    /// Our number of each acknowledged task, and its id.
    pub(crate) accepted: HashMap<usize, u64>,
    /// Our numbers that may be there or not.
    pub(crate) unanswered: HashSet<usize>,
    /// Tasks whose success was acknowledged, and the attempt.
    pub(crate) completed: HashMap<u64, u32>,
}

impl Notes {
    pub(crate) fn read(folder: &Path) -> Result<Notes> {
        let path: PathBuf = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut notes = Notes::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let what = words.next().unwrap_or_default();
            let numbers: Vec<u64> = words
                .map(str::parse)
                .collect::<Result<_, _>>()
                .with_context(|| format!("no line of a client: {line:?}"))?;
            notes.take(what, &numbers)?;
        }
        Ok(notes)
    }

    fn take(&mut self, what: &str, numbers: &[u64]) -> Result<()> {
        let (Some(first), rest) = (numbers.first(), &numbers[1.min(numbers.len())..]) else {
            anyhow::bail!("a line without numbers");
        };
        let begin = usize::try_from(*first)?;
        match (what, rest) {
            ("accepted", ids) => {
                for (n, id) in ids.iter().enumerate() {
                    let other = self.accepted.insert(begin + n, *id);
                    ensure!(other.is_none(), "number {} was submitted twice", begin + n);
                }
            }
            ("unanswered", [count]) => {
                self.unanswered
                    .extend(begin..begin + usize::try_from(*count)?);
            }
            ("completed", [attempt]) => {
                self.completed.insert(*first, u32::try_from(*attempt)?);
            }
            _ => anyhow::bail!("no line of a client: {what} {numbers:?}"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut pen = Pen::new(folder.path()).unwrap();
        pen.accepted(5, &[100, 101]).unwrap();
        pen.unanswered(&(7..9)).unwrap();
        pen.completed(100, 2).unwrap();
        let notes = Notes::read(folder.path()).unwrap();
        assert_eq!(notes.accepted, HashMap::from([(5, 100), (6, 101)]));
        assert_eq!(notes.unanswered, HashSet::from([7, 8]));
        assert_eq!(notes.completed, HashMap::from([(100, 2)]));
    }
}

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
        self.write(&line)
    }

    /// A submission had no answer: its tasks may be there or not.
    pub(crate) fn unanswered(&mut self, numbers: &Range<usize>) -> Result<()> {
        self.write(&format!("unanswered {} {}\n", numbers.start, numbers.len()))
    }

    /// A worker was told that its report of a success is on record.
    pub(crate) fn completed(&mut self, id: u64, attempt: u32) -> Result<()> {
        self.write(&format!("completed {id} {attempt}\n"))
    }

    /// A worker was told that its report of a failure for good is on record.
    pub(crate) fn failed(&mut self, id: u64, attempt: u32) -> Result<()> {
        self.write(&format!("failed {id} {attempt}\n"))
    }

    /// Such a report had no answer.
    pub(crate) fn failed_perhaps(&mut self, id: u64) -> Result<()> {
        self.write(&format!("failed_perhaps {id}\n"))
    }

    /// A client was told that its cancel is on record.
    pub(crate) fn cancelled(&mut self, id: u64) -> Result<()> {
        self.write(&format!("cancelled {id}\n"))
    }

    /// A cancel had no answer.
    pub(crate) fn cancelled_perhaps(&mut self, id: u64) -> Result<()> {
        self.write(&format!("cancelled_perhaps {id}\n"))
    }

    fn write(&mut self, line: &str) -> Result<()> {
        Ok(self.file.write_all(line.as_bytes())?)
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
    /// Tasks whose failure for good was acknowledged, and the attempt.
    pub(crate) failed: HashMap<u64, u32>,
    failed_perhaps: HashSet<u64>,
    /// Tasks whose cancel was acknowledged.
    pub(crate) cancelled: HashSet<u64>,
    cancelled_perhaps: HashSet<u64>,
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
            ("failed", [attempt]) => {
                self.failed.insert(*first, u32::try_from(*attempt)?);
            }
            ("failed_perhaps", []) => {
                self.failed_perhaps.insert(*first);
            }
            ("cancelled", []) => {
                self.cancelled.insert(*first);
            }
            ("cancelled_perhaps", []) => {
                self.cancelled_perhaps.insert(*first);
            }
            _ => anyhow::bail!("no line of a client: {what} {numbers:?}"),
        }
        Ok(())
    }

    /// Every end that was acknowledged: the task, its state since, and the attempt if it was one's.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (u64, &'static str, Option<u32>)> + '_ {
        let reported = |state, ends: &'_ HashMap<u64, u32>| {
            let ends: Vec<_> = ends.iter().map(|(id, attempt)| (*id, *attempt)).collect();
            ends.into_iter()
                .map(move |(id, attempt)| (id, state, Some(attempt)))
        };
        reported("succeeded", &self.completed)
            .chain(reported("failed", &self.failed))
            .chain(self.cancelled.iter().map(|id| (*id, "cancelled", None)))
    }

    /// Whether somebody wanted the task to end like this; that it succeeds is wanted of all.
    pub(crate) fn wanted(&self, id: u64, state: &str) -> bool {
        match state {
            "succeeded" => true,
            "failed" => self.failed.contains_key(&id) || self.failed_perhaps.contains(&id),
            "cancelled" => self.cancelled.contains(&id) || self.cancelled_perhaps.contains(&id),
            _ => false,
        }
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
        pen.failed(101, 3).unwrap();
        pen.failed_perhaps(102).unwrap();
        pen.cancelled(103).unwrap();
        pen.cancelled_perhaps(104).unwrap();
        let notes = Notes::read(folder.path()).unwrap();
        assert_eq!(notes.accepted, HashMap::from([(5, 100), (6, 101)]));
        assert_eq!(notes.unanswered, HashSet::from([7, 8]));
        let mut ends: Vec<_> = notes.ends().collect();
        ends.sort_unstable();
        let expected = [
            (100, "succeeded", Some(2)),
            (101, "failed", Some(3)),
            (103, "cancelled", None),
        ];
        assert_eq!(ends, expected);
        assert!(notes.wanted(102, "failed") && notes.wanted(104, "cancelled"));
        assert!(!notes.wanted(100, "failed") && !notes.wanted(101, "cancelled"));
    }
}

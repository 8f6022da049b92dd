//! What witnesses wrote down, and what it proves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::witness::RECORD;

/// Which try of which task.
pub(crate) type Token = (String, u32);

/// One execution.
pub(crate) struct Execution {
    pub(crate) worker: String,
    /// It found a lock of its pod free.
    pub(crate) had_slot: bool,
    /// Nanoseconds of the machine's clock.
    pub(crate) begun: i64,
    /// None when it was killed.
    pub(crate) ended: Option<i64>,
}

/// All executions, by their tokens.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) executions: BTreeMap<Token, Execution>,
    /// Tokens that were executed more than once: there must be none.
    pub(crate) repeated: Vec<Token>,
}

impl Records {
    /// Reads what is there by now.
    pub(crate) fn read(folder: &Path) -> Result<Records> {
        let mut records = Records::default();
        let Ok(text) = fs::read_to_string(folder.join(RECORD)) else {
            return Ok(records);
        };
        for line in text.lines() {
            records
                .take(line)
                .with_context(|| format!("no line of a witness: {line:?}"))?;
        }
        Ok(records)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let mut word = || words.next();
        let (what, task, attempt) = (word()?, word()?.to_owned(), word()?.parse().ok()?);
        let (worker, slot, at) = (word()?.to_owned(), word()?, word()?.parse().ok()?);
        let token = (task, attempt);
        if what == "end" {
            self.executions.get_mut(&token)?.ended = Some(at);
            return Some(());
        }
        let had_slot = slot != "none";
        let execution = Execution {
            worker,
            had_slot,
            begun: at,
            ended: None,
        };
        if self.executions.insert(token.clone(), execution).is_some() {
            self.repeated.push(token);
        }
        Some(())
    }

    /// Executions that met more living ones than their pod has slots.
    pub(crate) fn overlaps(&self) -> usize {
        self.executions
            .values()
            .filter(|execution| !execution.had_slot)
            .count()
    }

    /// Executions that were killed.
    pub(crate) fn killed(&self) -> usize {
        self.executions
            .values()
            .filter(|execution| execution.ended.is_none())
            .count()
    }

    /// The most executions that ran at once, of those whose end is written down.
    pub(crate) fn most_at_once(&self) -> i64 {
        let mut edges = Vec::new();
        for execution in self.executions.values() {
            if let Some(ended) = execution.ended {
                edges.extend([(execution.begun, 1), (ended, -1)]);
            }
        }
        edges.sort_unstable();
        let (mut now, mut most) = (0, 0);
        for (_, step) in edges {
            now += step;
            most = most.max(now);
        }
        most
    }

    /// The worker that executes an attempt now, or did.
    pub(crate) fn worker_of(&self, token: &Token) -> Option<&str> {
        self.executions
            .get(token)
            .map(|execution| execution.worker.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Records {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(RECORD), text).unwrap();
        Records::read(folder.path()).unwrap()
    }

    #[test]
    fn one_after_the_other_is_no_overlap() {
        let records = read("begin 1 1 w 0 10\nend 1 1 w 0 20\nbegin 2 1 v 0 20\nend 2 1 v 0 30\n");
        assert_eq!((records.overlaps(), records.most_at_once()), (0, 1));
        assert_eq!(records.worker_of(&("2".to_owned(), 1)), Some("v"));
    }

    #[test]
    fn whoever_finds_no_free_lock_is_an_overlap_even_when_the_other_was_killed() {
        let records = read("begin 1 1 w 0 10\nbegin 2 1 v none 15\nend 2 1 v none 25\n");
        assert_eq!(
            (records.overlaps(), records.killed(), records.most_at_once()),
            (1, 1, 1)
        );
    }

    #[test]
    fn an_attempt_that_is_executed_again_is_seen() {
        let records = read("begin 1 1 w 0 10\nend 1 1 w 0 20\nbegin 1 1 w 0 30\n");
        assert_eq!(records.repeated, [("1".to_owned(), 1)]);
    }

    #[test]
    fn a_line_of_something_else_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(RECORD), "begin 1\n").unwrap();
        assert!(Records::read(folder.path()).is_err());
    }
}

//! What clients were told, what the product says became of it, and whether the two agree.
//!
//! Each task carries a number of ours as a tag, so that a task nobody submitted, or one that
//! was accepted twice, is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::records::Records;
use super::system::{Clients, System};

/// The tag of all tasks of a bar.
pub(crate) const TAG: &str = "bar";

/// What clients were told: a line for each submission, complete before the next begins.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Our number of each acknowledged task, and the id it was given.
    acknowledged: BTreeMap<usize, String>,
    /// Numbers whose submission had no answer: they may be there or not.
    unanswered: BTreeSet<usize>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) acknowledged: usize,
    pub(crate) unanswered: usize,
    pub(crate) listed: usize,
    pub(crate) executions: usize,
    /// Attempts that are on record as lost.
    pub(crate) lost: usize,
    /// The most attempts that one task took.
    pub(crate) most_attempts: u64,
}

impl Findings {
    /// The figures that every part of a bar has.
    pub(crate) fn figures(&self, bar: &str, part: &str) -> Value {
        json!({
            "bar": bar, "part": part, "acknowledged": self.acknowledged,
            "unanswered": self.unanswered, "listed": self.listed, "executions": self.executions,
            "attempts_lost": self.lost, "most_attempts": self.most_attempts,
        })
    }
}

impl Ledger {
    /// Submits tasks with the numbers `numbers` through a client process, and writes down its
    /// answer.
    pub(crate) fn submit(&mut self, clients: &Clients, numbers: Range<usize>) -> Result<()> {
        let specs = tempfile::NamedTempFile::new()?;
        let line = |n| json!({"group": "g", "tags": [TAG, format!("n={n}")], "max_lost": 1000});
        let lines: String = numbers.clone().map(|n| format!("{}\n", line(n))).collect();
        fs::write(specs.path(), lines)?;
        let path = specs.path().to_string_lossy();
        let output = clients.output(&["submit", "--json-lines", &*path])?;
        let printed = String::from_utf8(output.stdout)?;
        let ids: Vec<&str> = printed.lines().collect();
        if output.status.success() {
            ensure!(
                ids.len() == numbers.len(),
                "{} ids for {numbers:?}",
                ids.len()
            );
            self.acknowledged
                .extend(numbers.zip(ids.into_iter().map(str::to_owned)));
        } else {
            ensure!(
                ids.is_empty(),
                "a batch of {numbers:?} was accepted in part: {ids:?}"
            );
            self.unanswered.extend(numbers);
        }
        Ok(())
    }

    /// Adds what another client was told.
    pub(crate) fn merge(&mut self, other: Ledger) {
        self.acknowledged.extend(other.acknowledged);
        self.unanswered.extend(other.unanswered);
    }

    /// Compares everything, once all has ended.
    pub(crate) fn judge(&self, system: &System) -> Result<Findings> {
        let clients = system.clients();
        let listed = self.check_list(clients.tasks(TAG)?)?;
        let ends = Ends::read(clients)?;
        for id in listed.keys() {
            let count = ends.terminal.get(id).copied().unwrap_or_default();
            ensure!(count == 1, "task {id} ended {count} times");
        }
        let invented = ends.terminal.keys().find(|id| !listed.contains_key(*id));
        ensure!(
            invented.is_none(),
            "an event of a task that is not listed: {invented:?}"
        );
        let records = Records::read(system.path())?;
        ensure!(
            records.repeated.is_empty(),
            "executed again: {:?}",
            records.repeated
        );
        for (id, attempt) in records.executions.keys() {
            ensure!(
                listed.contains_key(id),
                "{id}, attempt {attempt} was executed, not listed"
            );
        }
        for (id, attempt) in &listed {
            let token = (id.clone(), u32::try_from(*attempt)?);
            let execution = records.executions.get(&token);
            let done = execution.is_some_and(|execution| execution.ended.is_some());
            ensure!(
                done,
                "{id}, attempt {attempt} succeeded on record and was never executed"
            );
        }
        for ((id, attempt), execution) in &records.executions {
            let is_lost = ends.lost.contains(&(id.clone(), *attempt));
            let killed = execution.ended.is_none();
            ensure!(
                is_lost || !killed,
                "{id}, attempt {attempt} was killed and not told as lost"
            );
        }
        Ok(Findings {
            acknowledged: self.acknowledged.len(),
            unanswered: self.unanswered.len(),
            listed: listed.len(),
            executions: records.executions.len(),
            lost: ends.lost.len(),
            most_attempts: listed.values().copied().max().unwrap_or_default(),
        })
    }

    /// The attempt that ended each listed task.
    fn check_list(&self, tasks: Vec<Value>) -> Result<BTreeMap<String, u64>> {
        let (mut listed, mut numbers) = (BTreeMap::new(), BTreeMap::new());
        for task in tasks {
            let id = task["id"]
                .as_str()
                .context("a task without an id")?
                .to_owned();
            let n = number(&task).with_context(|| format!("{id} has no number of ours"))?;
            ensure!(
                task["state"] == "succeeded",
                "task {id} is {}",
                task["state"]
            );
            let attempt = task["attempt"]
                .as_u64()
                .context("a task without attempts")?;
            ensure!(
                listed.insert(id.clone(), attempt).is_none(),
                "{id} is listed twice"
            );
            match (self.acknowledged.get(&n), self.unanswered.contains(&n)) {
                (Some(known), _) => ensure!(*known == id, "number {n} is {id}, not {known}"),
                (None, true) => {}
                (None, false) => bail!("{id} has the number {n}, which nobody submitted"),
            }
            let other = numbers.insert(n, id.clone());
            ensure!(other.is_none(), "number {n} is both {id} and {other:?}");
        }
        let missing = self
            .acknowledged
            .iter()
            .find(|(n, _)| !numbers.contains_key(n));
        ensure!(missing.is_none(), "acknowledged and not there: {missing:?}");
        Ok(listed)
    }
}

/// What the stream of events says of ends.
#[derive(Default)]
struct Ends {
    /// How often each task reached a state from which it does not come back.
    terminal: BTreeMap<String, usize>,
    lost: BTreeSet<(String, u32)>,
}

impl Ends {
    fn read(clients: &Clients) -> Result<Ends> {
        let mut ends = Ends::default();
        for event in clients.events(TAG)? {
            let Some(task) = event["task"].as_str() else {
                continue;
            };
            let state = event["state"].as_str().unwrap_or_default();
            if matches!(state, "succeeded" | "failed" | "cancelled") {
                *ends.terminal.entry(task.to_owned()).or_default() += 1;
            }
            if event["type"] == "attempt_ended" && event["reason"] == "worker_lost" {
                let attempt = event["attempt"]
                    .as_u64()
                    .context("an attempt without a number")?;
                ends.lost.insert((task.to_owned(), u32::try_from(attempt)?));
            }
        }
        Ok(ends)
    }
}

/// The number that a task was submitted under.
fn number(task: &Value) -> Option<usize> {
    let mut tags = task["tags"].as_array()?.iter().filter_map(Value::as_str);
    tags.find_map(|tag| tag.strip_prefix("n="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger {
            acknowledged: BTreeMap::from([(0, "10".to_owned()), (1, "11".to_owned())]),
            unanswered: BTreeSet::from([2]),
        }
    }

    fn task(id: &str, n: usize) -> Value {
        let tags = [TAG.to_owned(), format!("n={n}")];
        json!({"id": id, "tags": tags, "state": "succeeded", "attempt": 1})
    }

    fn fault(tasks: Vec<Value>) -> String {
        ledger().check_list(tasks).unwrap_err().to_string()
    }

    #[test]
    fn what_had_no_answer_may_be_there_or_not() {
        let without = vec![task("10", 0), task("11", 1)];
        assert_eq!(ledger().check_list(without.clone()).unwrap().len(), 2);
        let with = [without, vec![task("12", 2)]].concat();
        assert_eq!(ledger().check_list(with).unwrap().len(), 3);
    }

    #[test]
    fn lost_invented_and_doubled_tasks_are_faults() {
        assert!(fault(vec![task("10", 0)]).contains("acknowledged and not there"));
        assert!(fault(vec![task("10", 0), task("13", 3)]).contains("nobody submitted"));
        assert!(fault(vec![task("10", 0), task("14", 0)]).contains("is 14, not 10"));
        let doubled = vec![task("12", 2), task("13", 2)];
        assert!(fault(doubled).contains("number 2 is both"));
        let mut failed = task("10", 0);
        failed["state"] = json!("failed");
        assert!(fault(vec![failed]).contains("is \"failed\""));
    }
}

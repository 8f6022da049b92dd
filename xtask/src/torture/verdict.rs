//! Whether what clients and sandboxes wrote down, what the event stream told, and what the server
//! lists in the end are the same story.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::events::Story;
use super::http::{Connection, Peer};
use super::notes::Notes;
use crate::bars::process::until;
use crate::bars::records::Records;

/// Items of a page: the most that a list may have.
const PAGE: usize = 10_000;

/// How long the store may take to reach what the journal has.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Faults of a kind that are told; the others are counted.
const TOLD: usize = 5;

/// A task as the server lists it.
struct Listed {
    number: usize,
    state: String,
    attempt: u32,
}

/// What was found.
#[derive(Default, Debug)]
pub(crate) struct Verdict {
    pub(crate) acknowledged: usize,
    pub(crate) unanswered: usize,
    /// Cancels, and reports of failures for good, that were acknowledged.
    pub(crate) cancelled: usize,
    pub(crate) failed: usize,
    pub(crate) listed: usize,
    pub(crate) executions: usize,
    pub(crate) broken: usize,
    /// Acknowledged, and not there or not as it was said to be.
    pub(crate) lost: usize,
    /// On record more than once, or never submitted.
    pub(crate) doubled: usize,
    /// Executions that met more of their pod than it has slots.
    pub(crate) overlaps: usize,
    pub(crate) events: usize,
    pub(crate) resumed: usize,
    faults: Vec<String>,
}

impl Verdict {
    /// Compares everything, once all tasks have ended. `records` are the folders in which
    /// sandboxes wrote.
    pub(crate) fn judge(notes: &Notes, listed: &Lists, records: &[PathBuf]) -> Result<Verdict> {
        let mut verdict = Verdict::of_lists(notes, listed, true);
        let mut executed = HashSet::new();
        for folder in records {
            let records = Records::read(folder)?;
            verdict.overlaps += records.overlaps();
            verdict.executions += records.executions.len();
            for repeated in &records.repeated {
                verdict.doubled(format!("executed again: {repeated:?}"));
            }
            for ((id, attempt), execution) in &records.executions {
                let id: u64 = id.parse()?;
                if !listed.by_id.contains_key(&id) {
                    verdict.doubled(format!("{id} was executed and is not listed"));
                }
                if execution.ended.is_some() {
                    executed.insert((id, *attempt));
                }
            }
        }
        for (id, task) in &listed.by_id {
            if task.state == "succeeded" && !executed.contains(&(*id, task.attempt)) {
                verdict.lost(format!(
                    "{id}, attempt {}, was never executed",
                    task.attempt
                ));
            }
        }
        Ok(verdict)
    }

    fn compare_list(&mut self, notes: &Notes, listed: &Lists, finished: bool) {
        let mut by_number = HashMap::new();
        for (id, task) in &listed.by_id {
            let ended = matches!(&*task.state, "succeeded" | "failed" | "cancelled");
            if (finished || ended) && !notes.wanted(*id, &task.state) {
                self.lost(format!("{id} is {}, which nobody wanted", task.state));
            }
            let n = task.number;
            match notes.accepted.get(&n) {
                Some(known) if known == id => {}
                Some(known) => self.doubled(format!("number {n} is {id}, not {known}")),
                None if notes.unanswered.contains(&n) => {}
                None => self.doubled(format!("{id} has number {n}, which nobody submitted")),
            }
            if let Some(other) = by_number.insert(n, *id) {
                self.doubled(format!("number {n} is both {id} and {other}"));
            }
        }
        for (n, id) in &notes.accepted {
            if !by_number.contains_key(n) {
                self.lost(format!("number {n}, acknowledged as {id}, is not there"));
            }
        }
        for (id, state, attempt) in notes.ends() {
            // Of a task that was cancelled meanwhile a failure only frees the slot, and is answered.
            let gave_way = |task: &Listed| {
                state == "failed" && task.state == "cancelled" && notes.wanted(id, "cancelled")
            };
            let as_told = |task: &Listed| {
                task.state == state && attempt.is_none_or(|attempt| task.attempt == attempt)
            };
            match listed.by_id.get(&id) {
                Some(task) if as_told(task) || gave_way(task) => {}
                Some(task) => self.lost(format!(
                    "{id} is {}, attempt {}, not {state}, attempt {attempt:?}",
                    task.state, task.attempt
                )),
                None => self.lost(format!("{id}, which was {state}, is not there")),
            }
        }
    }

    /// Compares lists and notes alone; all tasks have ended when they are `finished`.
    pub(crate) fn of_lists(notes: &Notes, listed: &Lists, finished: bool) -> Verdict {
        let mut verdict = Verdict {
            acknowledged: notes.accepted.len(),
            unanswered: notes.unanswered.len(),
            cancelled: notes.cancelled.len(),
            failed: notes.failed.len(),
            listed: listed.by_id.len(),
            doubled: listed.repeated,
            ..Verdict::default()
        };
        verdict.compare_list(notes, listed, finished);
        verdict
    }

    /// Compares with what the stream of events told.
    pub(crate) fn compare_story(
        &mut self,
        story: &Story,
        listed: &Lists,
        records: &[PathBuf],
    ) -> Result<()> {
        (self.events, self.resumed) = (story.events, story.resumed);
        self.broken = story.broken.len();
        for fault in &story.faults {
            self.doubled(fault.clone());
        }
        for (id, (count, state)) in &story.ends {
            if *count != 1 || !listed.by_id.contains_key(id) {
                self.doubled(format!("{id} ended {count} times, at last as {state}"));
            }
        }
        for id in listed
            .by_id
            .keys()
            .filter(|id| !story.ends.contains_key(id))
        {
            self.lost(format!("no event tells that {id} ended"));
        }
        for folder in records {
            for ((id, attempt), execution) in &Records::read(folder)?.executions {
                let id: u64 = id.parse()?;
                // What a cancelled task ran is killed when its worker hears of it.
                let cancelled = listed
                    .by_id
                    .get(&id)
                    .is_some_and(|task| task.state == "cancelled");
                let told = cancelled || story.broken.contains(&(id, *attempt));
                if execution.ended.is_none() && !told {
                    self.lost(format!(
                        "{id}, attempt {attempt}, was killed; nothing says so"
                    ));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn lost(&mut self, text: String) {
        self.lost += 1;
        self.tell(text, self.lost);
    }

    fn doubled(&mut self, text: String) {
        self.doubled += 1;
        self.tell(text, self.doubled);
    }

    fn tell(&mut self, text: String, count: usize) {
        if count <= TOLD {
            eprintln!("FAULT: {text}");
            self.faults.push(text);
        }
    }

    /// Nothing is wrong, and there was something of each kind to look at.
    pub(crate) fn whole(&self) -> bool {
        let looked = self.acknowledged > 0 && self.cancelled > 0 && self.failed > 0;
        looked && self.lost == 0 && self.doubled == 0 && self.overlaps == 0
    }

    pub(crate) fn figures(&self, torture: &str) -> Value {
        json!({
            "torture": torture, "acknowledged": self.acknowledged,
            "cancels_acknowledged": self.cancelled, "failures_acknowledged": self.failed,
            "unanswered": self.unanswered, "listed": self.listed, "lost": self.lost,
            "recorded_twice": self.doubled, "overlaps": self.overlaps,
            "executions": self.executions, "attempts_broken": self.broken,
            "events": self.events, "streams_resumed": self.resumed,
        })
    }
}

/// All tasks that the server lists.
#[derive(Default)]
pub(crate) struct Lists {
    by_id: HashMap<u64, Listed>,
    repeated: usize,
}

impl Lists {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Reads every page of the lists of these groups.
    pub(crate) fn read(peer: &Peer, groups: &[&str]) -> Result<Lists> {
        let (mut lists, mut connection) = (Lists::default(), Connection::new(peer));
        // Lists show the store, which may be behind.
        let stats = connection.get("/api/v1/stats")?;
        let position = &stats["journal"]["position"];
        for group in groups {
            let mut cursor = String::new();
            loop {
                let path =
                    format!("/api/v1/tasks?group={group}&limit={PAGE}&position={position}{cursor}");
                let page = until("the store catches up", CATCH_UP, || {
                    let answer = connection.call("GET", &path, None, b"")?;
                    let behind = answer.status == 503;
                    (!behind).then(|| answer.json()).transpose()
                })?;
                for item in page["items"].as_array().context("a page without items")? {
                    lists.take(item)?;
                }
                match page["cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
        }
        Ok(lists)
    }

    fn take(&mut self, item: &Value) -> Result<()> {
        let id = item["id"].as_str().context("a task without an id")?;
        let task = Listed {
            number: number(item).with_context(|| format!("{id} has no number of ours"))?,
            state: item["state"].as_str().unwrap_or_default().to_owned(),
            attempt: u32::try_from(item["attempt"].as_u64().unwrap_or_default())?,
        };
        self.repeated += usize::from(self.by_id.insert(id.parse()?, task).is_some());
        Ok(())
    }
}

/// The number that a task was submitted under.
fn number(item: &Value) -> Option<usize> {
    let key = item["dedup_key"].as_str();
    let tags = item["tags"].as_array().into_iter().flatten();
    let mut texts = key.into_iter().chain(tags.filter_map(Value::as_str));
    texts.find_map(|text| text.strip_prefix("n="))?.parse().ok()
}

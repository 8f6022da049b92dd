//! Follows everything that happens from the beginning, over every restart of the server, and
//! keeps what a record may not say: a task that ends twice, two leases of a task at once, a stream
//! with a hole or out of order.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::http::{self, Peer};

/// Between one connection and the next.
const AGAIN: Duration = Duration::from_millis(50);

/// Faults that are told; more of them are counted only.
const TOLD: usize = 10;

/// A place in the stream: record, event, task.
type Cursor = (u64, u32, u32);

/// What the stream said.
#[derive(Default)]
pub(crate) struct Story {
    /// How often each task ended, and with which state at last.
    pub(crate) ends: HashMap<u64, (u32, String)>,
    /// Attempts whose worker was lost, or that it handed back, or whose process was killed.
    pub(crate) broken: HashSet<(u64, u32)>,
    pub(crate) faults: Vec<String>,
    pub(crate) events: usize,
    /// How often the stream broke off and went on.
    pub(crate) resumed: usize,
    leased: HashMap<u64, u32>,
    last: Option<Cursor>,
}

/// How far a follower is, for those who wait for it.
#[derive(Default)]
pub(crate) struct Progress {
    ended: AtomicUsize,
    stop: AtomicBool,
}

impl Progress {
    /// Tasks whose end was told.
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Follows until it is told to stop, which it sees at the stream's next line or end.
pub(crate) fn follow(peer: &Peer, progress: &Progress) -> Result<Story> {
    let mut story = Story::default();
    while !progress.is_stopped() {
        let after = match story.last {
            None => "0".to_owned(),
            Some((record, event, 0)) => format!("{record}-{event}"),
            Some((record, event, task)) => format!("{record}-{event}.{task}"),
        };
        // The server is away at times; whatever it was, the next connection goes on from here.
        if let Ok(stream) = http::listen(peer, &format!("/api/v1/events?after={after}")) {
            story.resumed += usize::from(story.last.is_some());
            for line in stream.lines() {
                let Ok(line) = line else { break };
                if let Some(data) = line.strip_prefix("data: ") {
                    story.take(&serde_json::from_str(data)?)?;
                    progress.ended.store(story.ends.len(), Ordering::Relaxed);
                }
                if progress.is_stopped() {
                    return Ok(story);
                }
            }
        }
        thread::sleep(AGAIN);
    }
    Ok(story)
}

impl Story {
    fn fault(&mut self, text: String) {
        if self.faults.len() < TOLD {
            self.faults.push(text);
        }
    }

    fn take(&mut self, event: &Value) -> Result<()> {
        let kind = event["type"].as_str().context("an event without a type")?;
        if kind == "gap" {
            bail!("the stream has a hole: {event}");
        }
        let cursor = event["cursor"].as_str().and_then(cursor);
        let cursor = cursor.with_context(|| format!("an event without a place: {event}"))?;
        if self.last.is_some_and(|last| cursor <= last) {
            ensure!(self.resumed > 0, "an event out of order: {event}");
            return Ok(());
        }
        self.last = Some(cursor);
        self.events += 1;
        let Some(task) = event["task"].as_str() else {
            return Ok(());
        };
        let task: u64 = task.parse()?;
        let attempt = event["attempt"].as_u64().unwrap_or_default() as u32;
        match kind {
            "attempt_leased" => {
                if let Some(other) = self.leased.insert(task, attempt) {
                    self.fault(format!(
                        "task {task}: attempts {other} and {attempt} at once"
                    ));
                }
                if self.ends.contains_key(&task) {
                    self.fault(format!("task {task}: attempt {attempt} after its end"));
                }
            }
            "attempt_ended" => {
                if self.leased.remove(&task) != Some(attempt) {
                    self.fault(format!(
                        "task {task}: attempt {attempt} ended without a lease"
                    ));
                }
                if event["state"] != "succeeded" {
                    self.broken.insert((task, attempt));
                }
            }
            _ => {}
        }
        let state = event["state"].as_str().unwrap_or_default();
        if matches!(state, "succeeded" | "failed" | "cancelled") {
            let end = self.ends.entry(task).or_default();
            end.0 += 1;
            end.1 = state.to_owned();
        }
        Ok(())
    }
}

/// `R-E` or `R-E.T`.
fn cursor(text: &str) -> Option<Cursor> {
    let (record, rest) = text.split_once('-')?;
    let (event, task) = rest.split_once('.').unwrap_or((rest, "0"));
    Some((
        record.parse().ok()?,
        event.parse().ok()?,
        task.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tell(story: &mut Story, place: u64, kind: &str, attempt: u32, state: &str) {
        let cursor = format!("{place}-0");
        let event = json!({"cursor": cursor, "type": kind, "task": "7", "attempt": attempt,
            "state": state});
        story.take(&event).unwrap();
    }

    #[test]
    fn two_leases_at_once_and_two_ends_are_seen() {
        let mut story = Story::default();
        tell(&mut story, 1, "attempt_leased", 1, "running");
        tell(&mut story, 2, "attempt_leased", 2, "running");
        assert_eq!(story.faults.len(), 1);
        tell(&mut story, 3, "attempt_ended", 2, "succeeded");
        tell(&mut story, 4, "attempt_ended", 1, "succeeded");
        assert_eq!((story.faults.len(), story.ends[&7].0), (2, 2));
    }

    #[test]
    fn a_hole_is_an_error() {
        let gap = json!({"cursor": "9-0", "type": "gap"});
        assert!(Story::default().take(&gap).is_err());
    }
}

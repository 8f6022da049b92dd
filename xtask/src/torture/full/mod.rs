//! A disk without room, and a sync that fails: nothing acknowledged is lost, and a plain restart
//! is all that it takes once the fault is over.

mod ballast;
mod eio;

use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

use super::notes::Notes;
use super::options::Options;
use super::verdict::Verdict;

/// What came of all faults.
#[derive(Default)]
struct Totals {
    acknowledged: usize,
    completed: usize,
    cancelled: usize,
    failed: usize,
    unanswered: usize,
    lost: usize,
    doubled: usize,
    /// How often the disk was filled.
    filled: usize,
    /// Of these: how often no byte was left for certain.
    without_a_byte: usize,
    /// Servers that ended by themselves.
    ended: usize,
    /// Servers that did not start without room.
    refused_to_start: usize,
    /// Syncs that failed.
    failed_syncs: usize,
    /// Servers that ended because of one.
    ended_by_sync: usize,
    /// Power cuts after a server had recovered from a failed sync.
    cuts: usize,
}

impl Totals {
    fn add(&mut self, verdict: &Verdict) {
        self.lost += verdict.lost;
        self.doubled += verdict.doubled;
    }

    fn count(&mut self, notes: &Notes) {
        self.acknowledged += notes.accepted.len();
        self.completed += notes.completed.len();
        self.cancelled += notes.cancelled.len();
        self.failed += notes.failed.len();
        self.unanswered += notes.unanswered.len();
    }
}

pub(crate) fn run(options: &Options) -> Result<(bool, Value)> {
    let begun = Instant::now();
    let (mut totals, mut dice) = (Totals::default(), options.dice());
    ballast::run(options, &mut totals, &mut dice)?;
    eio::run(options, &mut totals, &mut dice)?;
    // A server that went on after a failed sync would acknowledge what may never be written.
    let ended = totals.failed_syncs > 0 && totals.ended_by_sync == totals.failed_syncs;
    let whole = totals.lost == 0 && totals.doubled == 0 && totals.without_a_byte > 0 && ended;
    let figures = json!({
        "torture": "full", "filled": totals.filled, "without_a_byte": totals.without_a_byte,
        "ended": totals.ended, "refused_to_start": totals.refused_to_start,
        "failed_syncs": totals.failed_syncs, "ended_by_sync": totals.ended_by_sync,
        "cuts_after_failed_syncs": totals.cuts, "acknowledged": totals.acknowledged,
        "completions_acknowledged": totals.completed,
        "cancels_acknowledged": totals.cancelled, "failures_acknowledged": totals.failed,
        "unanswered": totals.unanswered,
        "lost": totals.lost, "recorded_twice": totals.doubled,
        "seconds": begun.elapsed().as_secs(),
    });
    Ok((whole, figures))
}

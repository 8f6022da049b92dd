//! What the journal says, read by rules written down a second time.
//!
//! It shares the event types with the engine and nothing else: every durable record is folded into
//! plain tables, and whatever the promises forbid is a violation that names the record.

mod attempts;
mod facts;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use capataz_engine::{Change, Event, Key};

use facts::{DedupFacts, PodFacts, TaskFacts, UnitFacts};

/// A broken promise.
pub(crate) type Violation = String;
pub(crate) type Check = Result<(), Violation>;

/// How long a dedup key outlives its task, as promised, in microseconds.
const DEDUP_KEPT: u64 = 3_600 * 1_000_000;
/// How long a request id is remembered, as promised, in microseconds.
const REQUEST_KEPT: u64 = 600 * 1_000_000;

/// The durable journal, folded.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    records: Vec<Bytes>,
    epoch: u64,
    writer: [u8; 16],
    last_at: u64,
    next_task: u64,
    tasks: BTreeMap<u64, TaskFacts>,
    units: BTreeMap<Key, UnitFacts>,
    pods: BTreeMap<u32, PodFacts>,
    /// The pod of each session.
    workers: BTreeMap<u32, u32>,
    /// How many sessions there have been.
    joined: u32,
    dedup: BTreeMap<(u32, u128), DedupFacts>,
    requests: BTreeMap<u128, u64>,
    /// How many rounds of tasks and elements have ended.
    ends: u64,
    /// Payload numbers that clients have sent.
    sent: BTreeSet<u64>,
}

impl Ledger {
    /// A client sends this payload: from now on it may be accepted.
    pub(crate) fn expect(&mut self, number: u64) {
        self.sent.insert(number);
    }

    /// How many records are durable.
    pub(crate) fn tail(&self) -> u64 {
        self.records.len() as u64
    }

    /// A durable record.
    pub(crate) fn record(&self, position: u64) -> Option<&Bytes> {
        self.records.get(position as usize)
    }

    /// How many rounds of tasks and elements have ended, arrays that were closed among them.
    pub(crate) fn ends(&self) -> u64 {
        self.ends
    }

    /// The leader's time of the newest record, in microseconds.
    pub(crate) fn last_at(&self) -> u64 {
        self.last_at
    }

    /// Whether a request id that was used at `at` must be remembered.
    pub(crate) fn remembers(&self, at: u64) -> bool {
        self.last_at < at + REQUEST_KEPT
    }

    /// Whether a session ever began.
    pub(crate) fn has_joined(&self, worker: u32) -> bool {
        worker < self.joined
    }

    /// Takes the next durable record.
    pub(crate) fn absorb(
        &mut self,
        position: u64,
        epoch: u64,
        writer: [u8; 16],
        record: &Bytes,
    ) -> Check {
        if position != self.tail() {
            let tail = self.tail();
            return Err(format!("record {position} follows a tail of {tail}"));
        }
        let same_leader = epoch == self.epoch && writer == self.writer;
        if epoch < self.epoch || (epoch == self.epoch && !same_leader) {
            let newest = self.epoch;
            return Err(format!(
                "record {position}: epoch {epoch} after epoch {newest}, or by another writer"
            ));
        }
        let Some((1, body)) = record.split_first() else {
            return Err(format!("record {position} has no known format"));
        };
        let events: Vec<Event> = postcard::from_bytes(body)
            .map_err(|error| format!("record {position} cannot be read: {error}"))?;
        let opens = matches!(
            events.first().map(|event| &event.change),
            Some(Change::EpochStarted { .. })
        );
        if opens == same_leader {
            return Err(format!(
                "record {position}: epoch {epoch} does not begin with its announcement"
            ));
        }
        (self.epoch, self.writer) = (epoch, writer);
        for event in &events {
            let folded = self.fold(event);
            folded.map_err(|what| format!("record {position}: {what}: {event:?}"))?;
        }
        self.records.push(record.clone());
        Ok(())
    }

    fn fold(&mut self, event: &Event) -> Check {
        let at = event.at.0;
        if at < self.last_at {
            return Err(format!("time goes back from {}", self.last_at));
        }
        self.last_at = at;
        match &event.change {
            Change::EpochStarted { epoch, .. } if *epoch != self.epoch => {
                return Err(format!("the record is of epoch {}", self.epoch));
            }
            Change::Submitted {
                first,
                request,
                policies,
                tasks,
            } => self.submitted(at, first.0, request.as_ref(), policies, tasks)?,
            Change::Answered { request } => self.answered(at, request.id)?,
            Change::Leased {
                key,
                attempt,
                worker,
            } => self.leased(*key, *attempt, worker.0)?,
            Change::Started { key, attempt, .. } => self.started(*key, *attempt)?,
            Change::AttemptEnded {
                key,
                attempt,
                ended,
                outcome,
                next,
                output,
                ..
            } => self.ended(at, (*key, *attempt), *ended, outcome, *next, output)?,
            Change::LeaseReleased {
                key,
                attempt,
                ended,
            } => self.released(*key, *attempt, *ended)?,
            Change::Closed { key, reason, .. } => self.closed(at, *key, *reason)?,
            Change::Revived { key, .. } => self.revived(at, *key)?,
            Change::PodCreated { pod, slots, .. } => {
                let facts = PodFacts {
                    slots: *slots,
                    ..PodFacts::default()
                };
                self.pods.insert(pod.0, facts);
            }
            Change::PodSet { pod, settings } => self.pod(pod.0)?.set(settings),
            Change::PodReleased { pod } => self.pod(pod.0)?.held.clear(),
            Change::SlotReleased { pod, key, attempt } => {
                let was_held = self.pod(pod.0)?.held.remove(&(*key, *attempt));
                was_held
                    .then_some(())
                    .ok_or("a slot is released that was not held")?;
            }
            Change::Joined { worker, pod, .. } => {
                self.workers.insert(worker.0, pod.0);
                self.joined = self.joined.max(worker.0 + 1);
            }
            Change::Left { worker, .. } => self.left(worker.0)?,
            _ => {}
        }
        Ok(())
    }

    fn pod(&mut self, pod: u32) -> Result<&mut PodFacts, Violation> {
        let facts = self.pods.get_mut(&pod);
        facts.ok_or_else(|| format!("pod {pod} was never made"))
    }

    fn left(&mut self, worker: u32) -> Check {
        let held = self
            .units
            .values()
            .filter_map(|unit| unit.lease)
            .filter(|lease| lease.worker == worker)
            .count();
        if held > 0 {
            return Err(format!("worker {worker} leaves with {held} leases"));
        }
        self.workers.remove(&worker);
        Ok(())
    }
}

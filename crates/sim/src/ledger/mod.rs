//! What the journal says, read by rules written down a second time.
//!
//! It shares the event types with the engine and nothing else: every durable record is folded into
//! plain tables, and whatever the promises forbid is a violation that names the record.

mod attempts;
mod ends;
mod facts;
mod queues;
mod refusals;
mod repeats;
mod returns;
mod run_facts;
mod runs;
mod steps;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use capataz_engine::{Attempt, Change, Event, Hello, Key};
use capataz_journal::Entry;

use returns::Returning;
use run_facts::{RunFacts, WorkflowFacts};

use crate::covered::{Counts, Covered};
use crate::flow::Flow;
use facts::{DedupFacts, GroupFacts, PodFacts, TaskFacts, UnitFacts, WorkerFacts};

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
    bytes: usize,
    /// Who wrote each record, and in which leadership.
    writers: Vec<(u64, [u8; 16])>,
    /// How many events there were before each record, and so far.
    begins: Vec<u64>,
    moment: u64,
    /// How many tasks live, and how many did after each event.
    live: u64,
    lives: Vec<u64>,
    epoch: u64,
    writer: [u8; 16],
    last_at: u64,
    next_task: u64,
    tasks: BTreeMap<u64, TaskFacts>,
    units: BTreeMap<Key, UnitFacts>,
    pods: BTreeMap<u32, PodFacts>,
    groups: BTreeMap<u32, GroupFacts>,
    workers: BTreeMap<u32, WorkerFacts>,
    /// How many sessions there have been.
    joined: u32,
    dedup: BTreeMap<(u32, u128), DedupFacts>,
    requests: BTreeMap<u128, u64>,
    /// The newest process of each worker, by name and host, and in which record its session ended.
    processes: BTreeMap<(String, String), (u128, u32, Option<u64>)>,
    /// How many rounds of tasks and elements have ended.
    ends: u64,
    /// Payload numbers that clients have sent.
    sent: BTreeSet<u64>,
    /// When those without a dedup key were accepted last.
    accepted: BTreeMap<u64, u64>,
    /// Workflows that clients know, by definition.
    flows: BTreeMap<Bytes, Arc<Flow>>,
    workflows: BTreeMap<u32, WorkflowFacts>,
    runs: BTreeMap<u64, RunFacts>,
    /// How often others were preferred to one that waits.
    passed_over: BTreeMap<Key, u32>,
    /// To which run steps were added under their number, and when.
    added: BTreeMap<u64, (u64, u64)>,
    /// What a step has returned whose end must be the next event.
    returning: Option<Returning>,
    /// A run whose successor was started and whose end must be the next event.
    repeating: Option<u64>,
    covered: Counts,
}

impl Ledger {
    /// A client sends this payload: from now on it may be accepted.
    pub(crate) fn expect(&mut self, number: u64) {
        self.sent.insert(number);
    }

    /// Something of this kind has occurred.
    pub(crate) fn cover(&mut self, kind: Covered) {
        *self.covered.entry(kind).or_default() += 1;
    }

    /// What has occurred.
    pub(crate) fn covered(&self) -> &Counts {
        &self.covered
    }

    /// How many records are durable.
    pub(crate) fn tail(&self) -> u64 {
        self.records.len() as u64
    }

    /// How many events are durable.
    pub(crate) fn moment(&self) -> u64 {
        self.moment
    }

    /// The leadership of the newest record.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A durable record.
    pub(crate) fn record(&self, position: u64) -> Option<&Bytes> {
        self.records.get(position as usize)
    }

    /// Whether an entry of the journal is the durable record of its position.
    pub(crate) fn is_record(&self, entry: &Entry) -> bool {
        let place = entry.position.get() as usize;
        self.records.get(place) == Some(&entry.payload)
            && self.writers.get(place) == Some(&(entry.epoch, entry.writer_id))
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
        self.begins.push(self.moment);
        for event in &events {
            let folded = self.fold(event);
            folded.map_err(|what| format!("record {position}: {what}: {event:?}"))?;
            self.lives.push(self.live);
        }
        self.bytes += record.len();
        self.records.push(record.clone());
        self.writers.push((epoch, writer));
        Ok(())
    }

    fn fold(&mut self, event: &Event) -> Check {
        let at = event.at.0;
        if at < self.last_at {
            return Err(format!("time goes back from {}", self.last_at));
        }
        self.last_at = at;
        self.moment += 1;
        self.check_pairs(&event.change)?;
        match &event.change {
            Change::EpochStarted { epoch, .. } if *epoch != self.epoch => {
                return Err(format!("the record is of epoch {}", self.epoch));
            }
            Change::EpochStarted { .. } => {
                let sessions = self.workers.values_mut();
                sessions.for_each(|session| match &mut session.credit {
                    Some(credit) => *credit = 0,
                    None => session.attached = false,
                });
            }
            Change::GroupSet {
                group,
                max_running,
                paused,
            } => {
                let group = self.groups.entry(group.0).or_default();
                group.max_running = max_running.unwrap_or(group.max_running);
                group.paused = paused.unwrap_or(group.paused);
            }
            Change::Submitted {
                first,
                request,
                tasks,
                ..
            } => self.submitted(at, first.0, request.as_ref(), tasks)?,
            Change::Due { key } => self.due(at, *key)?,
            Change::Answered { request } => self.answered(at, request.id)?,
            Change::Leased {
                key,
                attempt,
                worker,
            } => self.leased(at, *key, *attempt, worker.0)?,
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
            Change::Closed {
                key, phase, reason, ..
            } => self.closed(at, *key, *phase, *reason)?,
            Change::Revived { key, .. } => self.revived(at, *key)?,
            Change::PodCreated { pod, slots, name } => {
                let facts = PodFacts {
                    name: name.clone(),
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
            Change::Joined {
                worker, pod, hello, ..
            } => {
                self.succeeds(worker.0, hello)?;
                let before = self.workers.get(&worker.0);
                let facts = WorkerFacts {
                    pod: pod.0,
                    concurrency: hello.concurrency,
                    leases: before.map_or(0, |before| before.leases),
                    attached: true,
                    draining: before.is_some_and(|before| before.draining),
                    credit: hello
                        .polling
                        .then(|| before.and_then(|before| before.credit).unwrap_or(0)),
                    runs: before.map_or_else(BTreeSet::new, |before| before.runs.clone()),
                };
                self.workers.insert(worker.0, facts);
                self.joined = self.joined.max(worker.0 + 1);
            }
            Change::PollOpened { worker, max, .. } => {
                if let Some(session) = self.workers.get_mut(&worker.0) {
                    (session.credit, session.attached) = (Some(*max), true);
                }
            }
            Change::PollClosed { worker } => {
                if let Some(session) = self.workers.get_mut(&worker.0) {
                    session.credit = Some(0);
                }
            }
            Change::Detached { worker } => {
                if let Some(session) = self.workers.get_mut(&worker.0) {
                    session.attached = false;
                }
            }
            Change::DrainSet { worker, on } => {
                if let Some(session) = self.workers.get_mut(&worker.0) {
                    session.draining = *on;
                }
            }
            Change::Left { worker, lost } => self.left(worker.0, *lost)?,
            _ => self.fold_run(event)?,
        }
        Ok(())
    }

    /// Pods that hold slots for lost attempts: their names, and which.
    pub(crate) fn held(&self) -> Vec<(String, Vec<(Key, Attempt)>)> {
        let pods = self.pods.values().filter(|pod| !pod.held.is_empty());
        pods.map(|pod| (pod.name.clone(), pod.held.iter().copied().collect()))
            .collect()
    }

    fn pod(&mut self, pod: u32) -> Result<&mut PodFacts, Violation> {
        let facts = self.pods.get_mut(&pod);
        facts.ok_or_else(|| format!("pod {pod} was never made"))
    }

    /// A worker's process comes after its older ones, and none of those comes back while it is there.
    fn succeeds(&mut self, worker: u32, hello: &Hello) -> Check {
        let record = self.records.len() as u64;
        let name = (hello.name.clone(), hello.host.clone());
        let process = (hello.incarnation, worker, None);
        match self.processes.insert(name, process) {
            Some((newer, _, left))
                if newer > hello.incarnation && left.is_none_or(|left| left == record) =>
            {
                Err(format!("process {newer} is replaced by an older one"))
            }
            _ => Ok(()),
        }
    }

    fn left(&mut self, worker: u32, lost: bool) -> Check {
        let record = self.records.len() as u64;
        // One that said goodbye is replaced by nobody, even if a late hello joins in that record.
        self.processes
            .retain(|_, (_, session, _)| lost || *session != worker);
        for (_, session, left) in self.processes.values_mut() {
            if *session == worker {
                *left = Some(record);
            }
        }
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

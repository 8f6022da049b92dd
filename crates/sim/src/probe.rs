//! What is looked at from outside, time and again: whether states agree, and whether things end.

use bytes::Bytes;
use capataz_engine::{Event, State};

use crate::clock::{SECOND, Time};
use crate::host::Worker;
use crate::world::{Happening, World};

/// How often states are compared.
pub(crate) const PROBE: Time = 5 * SECOND;
/// Without faults something must come to an end within this time, for as long as there is something
/// left: several leases, the longest delay of a task and its backoffs.
const STALL: Time = 120 * SECOND;

impl World {
    /// A record has become durable: the ledger and the shadow take it.
    pub(crate) fn becomes_durable(
        &mut self,
        position: u64,
        epoch: u64,
        writer: [u8; 16],
        record: &Bytes,
    ) {
        self.figures.records += 1;
        if let Err(violation) = self.ledger.absorb(position, epoch, writer, record) {
            return self.violate(violation);
        }
        let events: Vec<Event> = postcard::from_bytes(&record[1..]).unwrap_or_default();
        for event in &events {
            let line = || format!("{position}: {:?}", event.change);
            self.trace.add(self.now, line);
            capataz_engine::apply(&mut self.shadow, event);
        }
        // Nobody takes the shadow's dirty entries; they only cost.
        self.shadow.take_dirty();
    }

    fn hash_of_all(&mut self) -> u64 {
        let tail = self.ledger.tail();
        match self.shadow_hash {
            Some((known, hash)) if known == tail => hash,
            _ => {
                let hash = self.shadow.hash();
                self.shadow_hash = Some((tail, hash));
                hash
            }
        }
    }

    /// Compares a state with everything durable, applied from the beginning.
    pub(crate) fn check_hash(&mut self, name: &str, state: &State) {
        if state.hash() != self.hash_of_all() {
            let tail = self.ledger.tail();
            self.violate(format!("{name} differs from all records up to {tail}"));
        }
    }

    /// Live state, and store plus tail, both equal everything durable applied from the beginning.
    pub(crate) fn probe(&mut self) {
        self.plan(self.now + PROBE, Happening::Probe);
        let done = self.ledger.ends() + self.told;
        if done != self.progress.0 || self.calm_since.is_none() {
            self.progress = (done, self.now);
        } else if self.now > self.progress.1 + STALL {
            return self.not_alive();
        }
        if self.calm_since.is_some() && self.open_changes() == 0 && !self.tidied {
            self.tidy_up();
        }
        if self.tidied && self.open_changes() == 0 {
            self.release_pods();
        }
        self.check_waits();
        let live = self.master.process.as_ref();
        let live = live.map_or(0, |process| process.owner.state().live_tasks());
        self.figures.live_most = self.figures.live_most.max(live);
        if let Some(process) = &self.master.process
            && process.owner.is_settled()
        {
            let hash = process.owner.state().hash();
            if hash != self.hash_of_all() {
                self.violate("the live state differs from its records".to_owned());
            }
        }
        let from = self.master.store.position().get();
        match self.master.store.load() {
            Ok(mut state) => {
                for position in from..self.ledger.tail() {
                    let record = self.ledger.record(position).cloned().unwrap_or_default();
                    let events: Vec<Event> = postcard::from_bytes(&record[1..]).unwrap_or_default();
                    for event in &events {
                        capataz_engine::apply(&mut state, event);
                    }
                }
                self.check_hash("store plus tail", &state);
            }
            Err(error) => self.violate(format!("the store does not load: {error}")),
        }
    }

    fn not_alive(&mut self) {
        let unfinished = self.ledger.unfinished();
        let some: Vec<u64> = unfinished.iter().copied().take(8).collect();
        let (leases, calls) = (self.ledger.leases(), self.open_calls());
        if let Some(process) = &self.master.process {
            let state = process.owner.state();
            let standing = || format!("{:?}\n{:?}", state.worker_views(), state.pod_views());
            self.trace.add(self.now, standing);
        }
        let runs: Vec<u64> = self.ledger.live_runs().collect();
        self.violate(format!(
            "{} tasks (such as {some:?}), {leases} leases, {calls} calls and runs {runs:?} do not \
             end",
            unfinished.len()
        ));
    }

    pub(crate) fn has_ended(&self) -> bool {
        let quiet = |worker: &Worker| worker.sandboxes.is_empty();
        self.tidied
            && self.open_calls() == 0
            && self.workers.iter().all(quiet)
            && self.ledger.leases() == 0
            && self.ledger.unfinished().is_empty()
            && self.ledger.live_runs().next().is_none()
    }
}

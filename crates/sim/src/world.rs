//! The simulated world: one agenda, one source of chance, and everybody who acts in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use capataz_engine::{Change, Event, State};
use capataz_journal::disk::faulty::FaultyDisk;
use capataz_journal::{JournalId, MemoryJournal, Position};
use capataz_server::workflow::Compiled;
use capataz_worker::AttemptId;

use crate::chance::Chance;
use crate::client::{CallId, Client, Kind, Told};
use crate::clock::{NodeClock, SECOND, Time};
use crate::figures::{Fault, Figures};
use crate::flow::Flow;
use crate::host::Worker;
use crate::ledger::{Ledger, Violation};
use crate::master::{Master, Shared};
use crate::mutant::Mutant;
use crate::network::{Link, Network};
use crate::options::Options;
use crate::poller::{Ask, Poller, Reply};
use crate::rivals::Flight;
use crate::store::ModelStore;
use crate::trace::{Keep, Trace};

/// When operators have set the pods and faults may begin.
const BEGIN: Time = 3 * SECOND;
/// How often states are compared.
const PROBE: Time = 5 * SECOND;
/// Without faults something must come to an end within this time, for as long as there is something
/// left: several leases, the longest delay of a task and its backoffs.
const STALL: Time = 120 * SECOND;
/// Things that may happen in one simulation: more is a world that does not come to rest.
const EVENTS: u64 = 5_000_000;

/// One entry of the agenda.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Turn(u64),
    Appended(u64),
    Lands(u64),
    Maintain(u64),
    Committed(u64),
    Checkpoint(u64),
    MasterStart,
    Pump(u64),
    WorkerTick(usize),
    WorkerStart(usize),
    Poisoned(usize, u64),
    Look(usize, u64),
    Asked(usize, u64, Ask),
    PollerHears(usize, u64, Reply),
    GuardSweep(usize, u64),
    GuardCheck(usize, u64, AttemptId),
    SandboxEnd(usize, u64, AttemptId),
    ClientStep(usize),
    CallArrives(CallId),
    CallGoesOn(CallId),
    CallAgain(CallId),
    Answered(CallId, Told),
    Begin,
    Fault,
    RoomAgain,
    Follow,
    CutOff(usize),
    Probe,
    CalmDown,
}

/// A simulation.
pub(crate) struct World {
    pub(crate) now: Time,
    agenda: BTreeMap<(Time, u64), Happening>,
    sequence: u64,
    pub(crate) chance: Chance,
    pub(crate) options: Options,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) trace: Trace,
    pub(crate) figures: Figures,
    pub(crate) ledger: Ledger,
    /// Every durable event applied, never restarted: what replay and the live state must equal.
    shadow: State,
    /// Its hash, and up to which record.
    shadow_hash: Option<(u64, u64)>,
    pub(crate) master: Master,
    /// The machine of a second master: where masters share a journal, one may lead there or
    /// believe that it does.
    pub(crate) rival: Master,
    /// The journal that masters share, if they do.
    pub(crate) shared: Option<MemoryJournal>,
    pub(crate) flights: BTreeMap<u64, Flight>,
    pub(crate) last_flight: u64,
    pub(crate) last_generation: u64,
    pub(crate) network: Network,
    pub(crate) workers: Vec<Worker>,
    pub(crate) pollers: Vec<Poller>,
    /// Which pods hold the slots of lost attempts.
    pub(crate) holds: Vec<bool>,
    pub(crate) clients: Vec<Client>,
    /// Workflows that clients know, and what the server makes of them.
    pub(crate) flows: Vec<(Arc<Flow>, Compiled)>,
    pub(crate) last_number: u64,
    pub(crate) started: bool,
    pub(crate) calm_since: Option<Time>,
    /// How far somebody has followed the stream of what happens.
    pub(crate) follower: Position,
    /// Operators have lifted what holds tasks back.
    pub(crate) tidied: bool,
    /// Ends of tasks and answered calls so far, and when that number changed.
    progress: (u64, Time),
    /// Answered calls.
    pub(crate) told: u64,
    /// What is said now was computed from exactly what is on record.
    pub(crate) exact: bool,
    /// The master stops in its next append.
    pub(crate) crash_next: bool,
    pub(crate) violation: Option<Violation>,
}

impl World {
    pub(crate) fn new(options: Options, mutant: Option<Mutant>, keep: Keep) -> World {
        let mut chance = Chance::new(options.seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let drift = |chance: &mut Chance| {
            let bound = options.drift.unsigned_abs();
            chance.between(0, bound * 2) as i64 - options.drift
        };
        let clock = |chance: &mut Chance| NodeClock {
            drift: drift(chance),
            offset: 0,
        };
        let workers: Vec<Worker> = (0..options.workers)
            .map(|index| Worker::new(index % options.pods, clock(&mut chance)))
            .collect();
        let pollers: Vec<Poller> = (0..options.pollers)
            .map(|index| Poller::new(index % options.pods, clock(&mut chance)))
            .collect();
        let machine = |chance: &mut Chance, generation| Master {
            generation,
            process: None,
            paused_until: 0,
            slow_appends_until: 0,
            slow_store_until: 0,
            clock: clock(chance),
            disk: FaultyDisk::new(chance.next()),
            store: ModelStore::new(mutant),
            spoken: Shared::default(),
        };
        let (master, rival) = (machine(&mut chance, 0), machine(&mut chance, 1));
        let id = JournalId::from_bytes(*b"capataz-simulate");
        let shared = options.shared.then(|| MemoryJournal::new(id));
        let holds = (0..options.pods).map(|_| chance.percent(50)).collect();
        let mut ledger = Ledger::default();
        let flows: Vec<(Arc<Flow>, Compiled)> =
            crate::flow::draw(&mut chance, options.flows, options.groups)
                .into_iter()
                .map(|(flow, compiled)| (Arc::new(flow), compiled))
                .collect();
        for (flow, compiled) in &flows {
            ledger.know(compiled.version.definition.clone(), Arc::clone(flow));
        }
        let mut figures = Figures {
            seeds: 1,
            ..Figures::default()
        };
        if options.drift != 0 {
            figures.count(Fault::ClockDrift);
        }
        World {
            now: 0,
            agenda: BTreeMap::new(),
            sequence: 0,
            chance,
            mutant,
            trace: Trace::new(keep),
            figures,
            ledger,
            flows,
            shadow: State::default(),
            shadow_hash: None,
            master,
            rival,
            shared,
            flights: BTreeMap::new(),
            last_flight: 0,
            last_generation: 1,
            network: Network {
                links: vec![Link::default(); options.workers],
                ..Network::default()
            },
            workers,
            pollers,
            holds,
            clients: (0..options.clients).map(|_| Client::default()).collect(),
            last_number: 0,
            started: false,
            calm_since: None,
            follower: Position::ZERO,
            tidied: false,
            progress: (0, 0),
            told: 0,
            exact: false,
            crash_next: false,
            violation: None,
            options,
        }
    }

    /// Puts something on the agenda, after what is there for the same time.
    pub(crate) fn plan(&mut self, at: Time, what: Happening) {
        self.sequence += 1;
        self.agenda.insert((at.max(self.now), self.sequence), what);
    }

    /// Adds a line to the trace.
    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        self.trace.add(self.now, line);
    }

    /// A promise is broken; the first one counts.
    pub(crate) fn violate(&mut self, what: Violation) {
        if self.violation.is_none() {
            self.say(|| format!("VIOLATION: {what}"));
            self.violation = Some(what);
        }
    }

    /// Runs until everything has ended, or a promise is broken.
    pub(crate) fn run(&mut self) {
        self.plan(0, Happening::MasterStart);
        for pod in 0..self.options.pods {
            let hold = self.holds[pod];
            self.call(0, Kind::SetPod { pod, hold });
        }
        self.plan(BEGIN, Happening::Begin);
        self.plan(self.options.until, Happening::CalmDown);
        self.plan(PROBE, Happening::Probe);
        self.plan(PROBE, Happening::Follow);
        while self.violation.is_none()
            && let Some(((at, _), what)) = self.agenda.pop_first()
        {
            self.now = at;
            self.figures.events += 1;
            if self.figures.events > EVENTS {
                self.violate("the world does not come to rest".to_owned());
            }
            let probes = matches!(what, Happening::Probe);
            self.happen(what);
            if probes && self.has_ended() {
                break;
            }
        }
    }

    fn happen(&mut self, what: Happening) {
        let of_master = match what {
            Happening::Turn(generation)
            | Happening::Appended(generation)
            | Happening::Maintain(generation)
            | Happening::Committed(generation)
            | Happening::Checkpoint(generation) => Some(generation),
            Happening::CallArrives(_) | Happening::CallGoesOn(_) | Happening::Asked(..) => {
                Some(self.any_master())
            }
            _ => None,
        };
        match of_master {
            Some(generation) => self.with_master(generation, |world| {
                match world.master.paused_until > world.now {
                    true => world.plan(world.master.paused_until, what),
                    false => world.happen_to_master(what),
                }
            }),
            None => self.happen_elsewhere(what),
        }
    }

    fn happen_to_master(&mut self, what: Happening) {
        match what {
            Happening::Turn(_) => self.turn(),
            Happening::Appended(_) => self.appended(),
            Happening::Maintain(_) => self.maintain_again(),
            Happening::Committed(_) => self.finish_commit(),
            Happening::Checkpoint(_) => self.checkpoint(),
            Happening::CallArrives(id) => self.call_arrives(id),
            Happening::CallGoesOn(id) => self.go_on(id),
            Happening::Asked(index, life, ask) => self.asked(index, life, ask),
            _ => {}
        }
    }

    fn happen_elsewhere(&mut self, what: Happening) {
        match what {
            Happening::MasterStart => self.start_master(),
            Happening::Pump(id) => self.pump(id),
            Happening::WorkerTick(index) => self.tick_worker(index),
            Happening::WorkerStart(index) => self.start_worker(index),
            Happening::Poisoned(index, life) if self.workers[index].life == life => {
                self.kill_worker(index);
            }
            Happening::Poisoned(..) => {}
            Happening::GuardSweep(index, life) => self.guard_sweep(index, life),
            Happening::GuardCheck(index, life, id) => self.guard_check(index, life, id),
            Happening::SandboxEnd(index, life, id) => self.end_sandbox(index, life, id),
            Happening::ClientStep(client) => self.step_client(client),
            Happening::CallAgain(id) => self.try_call(id),
            Happening::Answered(id, told) => self.hear(id, told),
            Happening::Begin => self.begin(),
            Happening::Fault => self.next_fault(),
            Happening::RoomAgain => self.master.disk.set_capacity(None),
            Happening::Follow => self.follow(),
            Happening::CutOff(index) => self.cut_off(index),
            Happening::Probe => self.probe(),
            Happening::CalmDown => self.calm_down(),
            Happening::Lands(flight) => self.land(flight),
            Happening::Turn(_)
            | Happening::Appended(_)
            | Happening::Maintain(_)
            | Happening::Committed(_)
            | Happening::Checkpoint(_)
            | Happening::CallArrives(_)
            | Happening::CallGoesOn(_)
            | Happening::Asked(..) => {}
            Happening::Look(index, life) => self.look(index, life),
            Happening::PollerHears(index, life, reply) => self.poller_hears(index, life, reply),
        }
    }

    fn appended(&mut self) {
        if std::mem::take(&mut self.crash_next) {
            let power = self.chance.percent(70);
            return self.stop_master(power);
        }
        self.finish_append();
    }

    fn begin(&mut self) {
        if self.open_calls() > 0 {
            self.violate("the pods could not be set although nothing was wrong".to_owned());
        }
        self.started = true;
        for index in 0..self.workers.len() {
            self.plan(self.now, Happening::WorkerStart(index));
        }
        for index in 0..self.pollers.len() {
            self.plan_look(index, self.now);
        }
        for client in 0..self.clients.len() {
            self.plan(self.now, Happening::ClientStep(client));
        }
        let first = self.chance.below(self.options.fault_pause * 2);
        self.plan(self.now + first, Happening::Fault);
    }

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
            match event.change {
                Change::RunStarted { .. } => self.figures.runs += 1,
                Change::StepDecided { .. } => self.figures.steps += 1,
                Change::FanOpened { .. } => self.figures.fan_outs += 1,
                _ => {}
            }
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
    fn probe(&mut self) {
        self.plan(self.now + PROBE, Happening::Probe);
        let done = self.ledger.ends() + self.told;
        if done != self.progress.0 || self.calm_since.is_none() {
            self.progress = (done, self.now);
        } else if self.now > self.progress.1 + STALL {
            return self.not_alive();
        }
        if self.calm_since.is_some() && self.open_calls() == 0 && !self.tidied {
            self.tidy_up();
        }
        if self.tidied && self.open_calls() == 0 {
            self.release_pods();
        }
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

    fn has_ended(&self) -> bool {
        let quiet = |worker: &Worker| worker.sandboxes.is_empty();
        self.tidied
            && self.open_calls() == 0
            && self.workers.iter().all(quiet)
            && self.ledger.leases() == 0
            && self.ledger.unfinished().is_empty()
            && self.ledger.live_runs().next().is_none()
    }
}

//! The simulated world: one agenda, one source of chance, and everybody who acts in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use capataz_engine::State;
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
use crate::probe::PROBE;
use crate::rivals::Flight;
use crate::store::ModelStore;
use crate::trace::{Keep, Trace};
use crate::waits::Waits;

/// When operators have set the pods and faults may begin.
const BEGIN: Time = 3 * SECOND;
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
    pub(crate) shadow: State,
    /// Its hash, and up to which record.
    pub(crate) shadow_hash: Option<(u64, u64)>,
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
    /// Calls that wait for tasks to end.
    pub(crate) waits: Waits,
    /// Workflows that clients know, and what the server makes of them.
    pub(crate) flows: Vec<(Arc<Flow>, Compiled)>,
    pub(crate) last_number: u64,
    /// The call that arrives last of all that are on their way, and when.
    pub(crate) latest_arrival: (CallId, Time),
    pub(crate) started: bool,
    pub(crate) calm_since: Option<Time>,
    /// How far somebody has followed the stream of what happens.
    pub(crate) follower: Position,
    /// Operators have lifted what holds tasks back.
    pub(crate) tidied: bool,
    /// Ends of tasks and answered calls so far, and when that number changed.
    pub(crate) progress: (u64, Time),
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
            waits: Waits::default(),
            last_number: 0,
            latest_arrival: (CallId { client: 0, call: 0 }, 0),
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
            self.count_disk_faults();
            if probes && self.has_ended() {
                break;
            }
        }
        let covered = self.ledger.covered();
        self.figures.cover(covered);
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
}

//! Workers' hosts: the production session logic, and sandboxes under a guard. What really runs
//! where, and until when, is known here and nowhere else.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use capataz_api::proto;
use capataz_engine::{Attempt, Key};
use capataz_worker::session::{Call, Incarnation, LinkError, Logic, SessionOptions};
use capataz_worker::{Assignment, AttemptId, Boottime, Finished, Outcome, Report, Stop};

use crate::clock::{MS, NodeClock, SECOND, Time};
use crate::figures::Fault;
use crate::mutant::Mutant;
use crate::network::{Down, Up};
use crate::work::{Deed, Work};
use crate::world::{Happening, World};

/// From the moment a sandbox is to die until nothing of it is left.
const KILL: Time = 10 * MS;
/// How long a sandbox that is never to end by itself would take.
const FOR_EVER: Time = 1_000_000 * SECOND;

/// Runs of whose steps a worker is preferred for others.
const REMEMBERED: u32 = 4;

/// One sandbox.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) key: Key,
    pub(crate) attempt: Attempt,
    lease: Boottime,
    ends_at: Time,
    outcome: Outcome,
    /// Its host stood still while it existed: nobody could have killed it in time.
    pub(crate) frozen: bool,
}

/// A worker's process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) logic: Logic,
    pub(crate) connection: Option<u64>,
    /// What the executor has said while the process did not run.
    inbox: VecDeque<Report>,
    tick_at: Time,
    /// When it said last that it lives: no lease can count from later.
    beat_at: Boottime,
}

/// A worker with its host.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) pod: usize,
    pub(crate) clock: NodeClock,
    /// Counts its processes.
    pub(crate) life: u64,
    pub(crate) process: Option<Process>,
    /// The process is stopped until then; its guard is not.
    pub(crate) paused_until: Time,
    /// The whole host stands still until then.
    pub(crate) frozen_until: Time,
    pub(crate) sandboxes: BTreeMap<(u64, AttemptId), Sandbox>,
    /// It never starts again.
    pub(crate) gone: bool,
    /// Which of its connections was welcomed last.
    pub(crate) welcomed: u64,
}

impl Worker {
    pub(crate) fn new(pod: usize, clock: NodeClock) -> Worker {
        Worker {
            pod,
            clock,
            life: 0,
            process: None,
            paused_until: 0,
            frozen_until: 0,
            sandboxes: BTreeMap::new(),
            gone: false,
            welcomed: 0,
        }
    }

    /// Until when the process takes nothing in.
    pub(crate) fn asleep_until(&self) -> Time {
        self.paused_until.max(self.frozen_until)
    }

    fn boottime(&self, now: Time) -> Boottime {
        Boottime::from_boot(self.clock.mono(now))
    }
}

impl World {
    /// A new process begins, after its guard has cleared away what the last one left.
    pub(crate) fn start_worker(&mut self, index: usize) {
        let asleep = self.workers[index].asleep_until();
        if self.workers[index].process.is_some() || self.workers[index].gone {
            return;
        }
        if asleep > self.now {
            return self.plan(asleep, Happening::WorkerStart(index));
        }
        self.clear_sandboxes(index);
        let worker = &mut self.workers[index];
        worker.life += 1;
        let groups = (0..self.options.groups).map(|group| format!("g{group}"));
        let name = format!("w{index}");
        let options = SessionOptions {
            incarnation: Incarnation(u128::from(worker.life)),
            host: format!("h{index}"),
            build: "sim".to_owned(),
            pod_slots: Some(self.options.slots),
            concurrency: self.options.concurrency,
            cancel_grace: Duration::from_secs(1),
            remember: REMEMBERED,
            seed: self.chance.next(),
            ..SessionOptions::new(name, format!("p{}", worker.pod), groups)
        };
        let logic = Logic::new(options, worker.boottime(self.now));
        worker.process = Some(Process {
            logic,
            connection: None,
            inbox: VecDeque::new(),
            tick_at: 0,
            beat_at: worker.boottime(self.now),
        });
        let life = worker.life;
        self.say(|| format!("w{index} starts, life {life}"));
        self.tick_worker(index);
    }

    fn clear_sandboxes(&mut self, index: usize) {
        if self.mutant == Some(Mutant::OrphansLeftRunning) {
            return;
        }
        self.workers[index].sandboxes.clear();
    }

    /// The process dies at once; its guard kills what it left.
    pub(crate) fn kill_worker(&mut self, index: usize) {
        let Some(process) = self.workers[index].process.take() else {
            return;
        };
        self.say(|| format!("w{index} dies"));
        if let Some(connection) = process.connection {
            self.send_up(connection, Up::Closed);
        }
        // A signal ends a stopped process too.
        self.workers[index].paused_until = 0;
        let life = self.workers[index].life;
        self.plan(self.now + KILL, Happening::GuardSweep(index, life));
        let pause = self.chance.between(50 * MS, 3 * SECOND);
        self.plan(self.now + pause, Happening::WorkerStart(index));
    }

    /// An operator tells the worker to finish and go.
    pub(crate) fn drain_worker(&mut self, index: usize, patience: Duration) {
        let worker = &mut self.workers[index];
        let now = worker.boottime(self.now);
        if let Some(process) = &mut worker.process {
            process.logic.drain(Some(patience), now);
            self.drive(index);
        }
    }

    /// The guard of a dead process kills all its sandboxes.
    pub(crate) fn guard_sweep(&mut self, index: usize, life: u64) {
        let frozen = self.workers[index].frozen_until;
        if frozen > self.now {
            return self.plan(frozen, Happening::GuardSweep(index, life));
        }
        if self.mutant == Some(Mutant::OrphansLeftRunning) {
            return;
        }
        let sandboxes = &mut self.workers[index].sandboxes;
        sandboxes.retain(|(owner, _), _| *owner != life);
    }

    /// Lets the logic do what is due, and what it asks for.
    pub(crate) fn tick_worker(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        let asleep = worker.asleep_until();
        let now = worker.boottime(self.now);
        let Some(process) = &mut worker.process else {
            return;
        };
        if asleep > self.now {
            process.tick_at = asleep;
            return self.plan(asleep, Happening::WorkerTick(index));
        }
        while let Some(report) = process.inbox.pop_front() {
            process.logic.reported(report, now);
        }
        process.logic.tick(now);
        self.drive(index);
    }

    /// Carries out what the logic wants, sends what is due, and plans its next moment.
    fn drive(&mut self, index: usize) {
        loop {
            let now = self.workers[index].boottime(self.now);
            let Some(process) = &mut self.workers[index].process else {
                return;
            };
            let calls = process.logic.take_calls();
            let idle = calls.is_empty();
            for call in calls {
                self.carry_out(index, call);
            }
            let Some(process) = &mut self.workers[index].process else {
                return;
            };
            let connection = process.connection;
            let due = process.logic.next_frame_at().is_some_and(|at| at <= now);
            let frame = match due && connection.is_some() {
                true => process.logic.next_frame(now),
                false => None,
            };
            match (frame, connection) {
                (Some(frame), Some(connection)) => {
                    if let Some(proto::worker_frame::Frame::Heartbeat(_)) = frame.frame {
                        process.beat_at = now;
                    }
                    self.send_up(connection, Up::Frame(Box::new(frame)));
                }
                _ if idle => break,
                _ => {}
            }
        }
        self.plan_tick(index);
    }

    fn plan_tick(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        let clock = worker.clock;
        let Some(process) = &mut worker.process else {
            return;
        };
        if let Some(end) = process.logic.take_end() {
            let connection = process.connection;
            worker.process = None;
            self.say(|| format!("w{index} ends: {end:?}"));
            if let Some(connection) = connection {
                self.send_up(connection, Up::Closed);
            }
            let pause = self.chance.between(50 * MS, 3 * SECOND);
            return self.plan(self.now + pause, Happening::WorkerStart(index));
        }
        let wakes = [process.logic.next_tick(), process.logic.next_frame_at()];
        let Some(wake) = wakes.into_iter().flatten().min() else {
            return;
        };
        let at = clock.when(wake.since_boot()).max(self.now + 100);
        if process.tick_at <= self.now || at < process.tick_at {
            process.tick_at = at;
            self.plan(at, Happening::WorkerTick(index));
        }
    }

    fn carry_out(&mut self, index: usize, call: Call) {
        match call {
            Call::Connect(hello) => {
                self.disconnect(index);
                let connection = self.connect(index, *hello);
                let now = self.workers[index].boottime(self.now);
                if let Some(process) = &mut self.workers[index].process {
                    (process.connection, process.beat_at) = (Some(connection), now);
                }
            }
            Call::Disconnect => self.disconnect(index),
            Call::Start(id, assignment, lease) => self.start_sandbox(index, id, &assignment, lease),
            Call::Extend(ids, lease) => self.extend(index, &ids, lease),
            Call::Stop(id, stop) => self.stop_sandbox(index, id, stop),
        }
    }

    fn disconnect(&mut self, index: usize) {
        let process = self.workers[index].process.as_mut();
        if let Some(connection) = process.and_then(|process| process.connection.take()) {
            self.send_up(connection, Up::Closed);
        }
    }

    /// Something arrives on a connection.
    pub(crate) fn worker_takes(&mut self, index: usize, life: u64, connection: u64, what: Down) {
        let worker = &mut self.workers[index];
        let now = worker.boottime(self.now);
        let current = worker.life == life;
        let Some(process) = worker.process.as_mut().filter(|_| current) else {
            return;
        };
        if process.connection != Some(connection) {
            return;
        }
        while let Some(report) = process.inbox.pop_front() {
            process.logic.reported(report, now);
        }
        match what {
            Down::Frame(frame) => process.logic.received(*frame, now),
            Down::Closed => {
                process.connection = None;
                let lost = LinkError::Lost("the connection ended".to_owned());
                process.logic.disconnected(lost, now);
            }
        }
        self.drive(index);
    }

    fn start_sandbox(
        &mut self,
        index: usize,
        id: AttemptId,
        assignment: &Assignment,
        lease: Boottime,
    ) {
        let (Ok(key), Some(work)) = (
            assignment.task.parse::<Key>(),
            Work::parse(&assignment.payload),
        ) else {
            return self.violate(format!("w{index} was given nonsense: {assignment:?}"));
        };
        let attempt = assignment.attempt;
        let mut outcome = outcome(work, attempt);
        if let Outcome::Again { after } = &mut outcome {
            *after = Duration::from_millis(self.chance.below(3_000));
        }
        let lasts = match work.deed {
            Deed::Poison => FOR_EVER,
            _ => work.millis * MS,
        };
        if work.deed == Deed::Poison {
            self.fault(Fault::Poison, format_args!("w{index}"));
            let at = self.now + self.chance.between(MS, 300 * MS);
            self.plan(at, Happening::Poisoned(index, self.workers[index].life));
        }
        let sandbox = Sandbox {
            key,
            attempt,
            lease,
            ends_at: self.now + lasts,
            outcome,
            frozen: false,
        };
        let worker = &mut self.workers[index];
        let (life, pod) = (worker.life, worker.pod);
        worker.sandboxes.insert((life, id), sandbox);
        let deadline = worker.clock.when(lease.since_boot());
        self.figures.attempts += 1;
        self.say(|| format!("w{index} runs {key}/{attempt}"));
        self.plan(self.now + lasts, Happening::SandboxEnd(index, life, id));
        self.plan(deadline, Happening::GuardCheck(index, life, id));
        self.check_pod(pod);
        self.maybe_add_steps(key, attempt);
    }

    /// What really runs in a pod: never more than its slots, as its policy promises.
    pub(crate) fn check_pod(&mut self, pod: usize) {
        let hold = self.holds[pod];
        let here = self.workers.iter().filter(|worker| worker.pod == pod);
        let polled = self.pollers.iter().filter(|poller| poller.pod == pod);
        let polled = polled.flat_map(|poller| poller.running(hold));
        let running: Vec<String> = here
            .flat_map(|worker| worker.sandboxes.values())
            .filter(|sandbox| hold || !sandbox.frozen)
            .map(|sandbox| (sandbox.key, sandbox.attempt))
            .chain(polled)
            .map(|(key, attempt)| format!("{key}/{attempt}"))
            .collect();
        if running.len() > self.options.slots as usize {
            let slots = self.options.slots;
            self.violate(format!("pod p{pod} of {slots} slots runs {running:?}"));
        }
    }

    fn extend(&mut self, index: usize, ids: &[AttemptId], lease: Boottime) {
        let worker = &mut self.workers[index];
        let lease = match self.mutant {
            Some(Mutant::LeaseCountsFromAnswer) => {
                worker.boottime(self.now) + Duration::from_micros(self.options.lease_ttl)
            }
            _ => lease,
        };
        let beat_at = worker.process.as_ref().map(|process| process.beat_at);
        if beat_at.is_some_and(|at| lease > at + Duration::from_micros(self.options.lease_ttl)) {
            return self.violate(format!(
                "w{index} extends a lease beyond its last heartbeat"
            ));
        }
        for id in ids {
            if let Some(sandbox) = worker.sandboxes.get_mut(&(worker.life, *id)) {
                sandbox.lease = sandbox.lease.max(lease);
            }
        }
    }

    fn stop_sandbox(&mut self, index: usize, id: AttemptId, stop: Stop) {
        let wait = match stop {
            Stop::Cancel { grace } => self.chance.below(grace.as_micros() as u64 + 1),
            Stop::LeaseLost => 0,
        };
        let worker = &mut self.workers[index];
        let life = worker.life;
        let Some(sandbox) = worker.sandboxes.get_mut(&(life, id)) else {
            return;
        };
        let at = self.now + wait + KILL;
        if at >= sandbox.ends_at {
            return;
        }
        sandbox.ends_at = at;
        sandbox.outcome = match stop {
            Stop::Cancel { .. } => Outcome::Cancelled,
            Stop::LeaseLost => Outcome::LeaseLost,
        };
        self.plan(at, Happening::SandboxEnd(index, life, id));
        if self.mutant == Some(Mutant::EndReportedEarly)
            && let Some(process) = &mut self.workers[index].process
        {
            let finished = Box::new(Finished::bare(Outcome::Cancelled));
            process.inbox.push_back(Report::Finished(id, finished));
            self.plan(self.now, Happening::WorkerTick(index));
        }
    }

    /// The guard looks whether a lease has run out.
    pub(crate) fn guard_check(&mut self, index: usize, life: u64, id: AttemptId) {
        let worker = &mut self.workers[index];
        if worker.frozen_until > self.now {
            let at = worker.frozen_until;
            return self.plan(at, Happening::GuardCheck(index, life, id));
        }
        let now = worker.boottime(self.now);
        let Some(sandbox) = worker.sandboxes.get_mut(&(life, id)) else {
            return;
        };
        if sandbox.lease > now {
            let at = worker.clock.when(sandbox.lease.since_boot());
            return self.plan(at, Happening::GuardCheck(index, life, id));
        }
        if self.mutant == Some(Mutant::GuardIgnoresDeadline) {
            return;
        }
        let at = self.now + KILL;
        if at < sandbox.ends_at {
            sandbox.ends_at = at;
            sandbox.outcome = Outcome::LeaseLost;
            self.plan(at, Happening::SandboxEnd(index, life, id));
        }
    }

    /// Nothing of a sandbox is left.
    pub(crate) fn end_sandbox(&mut self, index: usize, life: u64, id: AttemptId) {
        let worker = &mut self.workers[index];
        if worker.frozen_until > self.now {
            let at = worker.frozen_until;
            if let Some(sandbox) = worker.sandboxes.get_mut(&(life, id))
                && sandbox.ends_at <= self.now
            {
                sandbox.ends_at = at;
                self.plan(at, Happening::SandboxEnd(index, life, id));
            }
            return;
        }
        let due = |sandbox: &Sandbox| sandbox.ends_at <= self.now;
        if !worker.sandboxes.get(&(life, id)).is_some_and(due) {
            return;
        }
        let Some(sandbox) = worker.sandboxes.remove(&(life, id)) else {
            return;
        };
        let Some(process) = worker.process.as_mut().filter(|_| worker.life == life) else {
            return;
        };
        let mut finished = Finished::bare(sandbox.outcome);
        let output = crate::work::output(sandbox.key, sandbox.attempt);
        finished.output = Some(Bytes::from(output));
        process
            .inbox
            .push_back(Report::Finished(id, Box::new(finished)));
        self.tick_worker(index);
    }
}

fn outcome(work: Work, attempt: Attempt) -> Outcome {
    use capataz_worker::FailReason;
    match work.deed {
        Deed::Fail if attempt % 2 == 1 => Outcome::failed(FailReason::Error, "as asked"),
        Deed::Fatal => Outcome::fatal("as asked"),
        Deed::Again | Deed::AgainThenFail if attempt == 1 => Outcome::Again {
            after: Duration::ZERO,
        },
        Deed::AgainThenFail if attempt == 2 => Outcome::failed(FailReason::Error, "as asked"),
        _ => Outcome::Succeeded,
    }
}

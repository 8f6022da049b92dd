//! A turn: inputs become decisions, decisions become one record.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use capataz_api::proto;
use capataz_engine::planted::{Bug, planted};
use capataz_engine::{
    Change, Command, Event, LimitsInForce, Next, Outcome, Phase, State, Timestamp, WorkerId,
};
use capataz_journal::Position;
use prost::Message;

use super::bodies::Bodies;
use super::ends::{Answered, Ends};
use super::event_size::event_size;
use super::greetings::Greetings;
use super::lease_clock::{Holder, LeaseClock};
use super::pending::{Pending, PendingQueue, Release};
use super::polls::ParkedPolls;
use super::sessions::Sessions;
use super::steps::StepWork;
use super::{Input, LeasedTask, SessionMessage, Token};
use crate::clock::{LeaderClock, Now};
use crate::convert;
use crate::record;
use crate::store::Batch;

/// Inputs that one turn takes at the most: a turn is one sync, and callers wait for it.
const TURN_INPUTS: usize = 4_096;
/// Bytes after which a turn takes no more: far below the journal's largest record.
const TURN_BYTES: usize = 2 << 20;
/// Leases that one turn gives.
const TURN_LEASES: usize = 8_192;
/// Records on their way at the most; beyond it inputs wait.
const IN_FLIGHT: usize = 32;
/// Changes after which entries are handed over even to a busy store, so that a turn is never more
/// than some ten milliseconds late for handing them over. Fewer cost more of a drain: what has
/// begun at one handover and ended at the next is stored in between.
const DIRTY_MAX: usize = 32_768;

/// How an owner is set up.
#[derive(Clone, Debug)]
pub struct OwnerOptions {
    /// A worker's right to its attempts lasts this long after its last answered heartbeat.
    pub lease_ttl: Duration,
    /// How long a leader may act after it sent its last confirmed append.
    pub term: Duration,
    /// What clocks may differ by while a lease lasts.
    pub margin: Duration,
    /// Bytes that the store may lag behind before new tasks are refused.
    pub lag_max: usize,
    /// Bounds recorded with the leadership.
    pub limits: LimitsInForce,
}

impl Default for OwnerOptions {
    fn default() -> OwnerOptions {
        OwnerOptions {
            lease_ttl: Duration::from_secs(15),
            term: Duration::from_secs(2),
            margin: Duration::from_secs(1),
            lag_max: 256 << 20,
            limits: LimitsInForce::default(),
        }
    }
}

impl OwnerOptions {
    /// How long the leader waits for a silent worker before it counts as lost.
    pub fn lost_after(&self) -> Duration {
        self.lease_ttl + self.term + self.margin
    }
}

/// A record to append.
#[derive(Clone, Debug)]
pub struct ToAppend {
    /// The position it must get.
    pub expected: Position,
    /// The record.
    pub record: Bytes,
}

/// Owns the state of one namespace.
pub struct Owner {
    pub(super) state: State,
    pub(super) options: OwnerOptions,
    clock: LeaderClock,
    pub(super) now: Now,
    /// The leader's time of this turn.
    pub(super) at: Timestamp,
    /// Where the next record goes.
    pub(super) tail: Position,
    durable: Position,
    /// When the last confirmed append was sent.
    confirmed_at: Duration,
    pub(super) pending: PendingQueue,
    events: Vec<Event>,
    turn_bytes: usize,
    pub(super) releases: Vec<Release>,
    work: BTreeMap<WorkerId, Vec<LeasedTask>>,
    stops: BTreeMap<WorkerId, Vec<Token>>,
    drains: Vec<WorkerId>,
    pub(super) leases: LeaseClock,
    pub(super) sessions: Sessions,
    pub(super) polls: ParkedPolls,
    pub(super) ends: Ends,
    pub(super) greetings: Greetings,
    pub(super) bodies: Bodies,
    pub(super) steps: StepWork,
    store_ready: bool,
    /// Bytes of records that the store does not have.
    unprojected: VecDeque<(Position, usize)>,
    pub(super) lag: usize,
    pub(super) journal_room: bool,
    pub(super) store_room: bool,
    sink: Box<dyn FnMut(Batch) + Send>,
}

impl Owner {
    /// Takes over a replayed state whose journal ends at `tail`. Every lease and every worker of
    /// it is given a full term again. `sink` gets what the store and the feed are to have.
    pub fn new(
        state: State,
        tail: Position,
        now: Now,
        options: OwnerOptions,
        sink: Box<dyn FnMut(Batch) + Send>,
    ) -> Owner {
        let clock = LeaderClock::new(now, state.last_at());
        let mut leases = LeaseClock::default();
        let deadline = now.mono + options.lost_after();
        let views = state.worker_views().into_iter();
        for worker in views.filter(|_| !planted(Bug::LeasesNotRearmed)) {
            leases.arm(Holder::Worker(worker.id), deadline);
            for token in worker.leases.iter().filter(|_| worker.polling) {
                leases.arm(Holder::Lease(*token), deadline);
            }
        }
        let greetings = Greetings::of(&state);
        Owner {
            at: state.last_at(),
            state,
            options,
            clock,
            now,
            tail,
            durable: tail,
            confirmed_at: now.mono,
            pending: PendingQueue::default(),
            events: Vec::new(),
            turn_bytes: 0,
            releases: Vec::new(),
            work: BTreeMap::new(),
            stops: BTreeMap::new(),
            drains: Vec::new(),
            leases,
            sessions: Sessions::default(),
            polls: ParkedPolls::default(),
            ends: Ends::default(),
            greetings,
            bodies: Bodies::default(),
            steps: StepWork::default(),
            store_ready: true,
            unprojected: VecDeque::new(),
            lag: 0,
            journal_room: true,
            store_room: true,
            sink,
        }
    }

    /// The state as it will be once everything on its way is durable.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The position after the last record that was handed out.
    pub fn tail(&self) -> Position {
        self.tail
    }

    /// Bytes of durable records that the store does not have yet.
    pub fn lag(&self) -> usize {
        self.lag
    }

    /// Whether nothing is on its way.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.events.is_empty()
    }

    /// Whether a further turn may be taken before something becomes durable.
    pub fn has_room_in_flight(&self) -> bool {
        self.pending.len() < IN_FLIGHT
    }

    /// Announces a new leadership: the first record that this owner hands out.
    pub fn start_epoch(&mut self, now: Now, epoch: u64, writer: String) -> Option<ToAppend> {
        self.begin(now);
        let limits = self.options.limits;
        let started = self.run(Command::StartEpoch {
            epoch,
            writer,
            limits,
        });
        debug_assert!(
            started.is_ok(),
            "the caller takes an epoch above the last one"
        );
        self.seal()
    }

    /// Takes a turn: as many inputs as fit, then what time brings about, then leases.
    pub fn turn(&mut self, now: Now, inputs: &mut VecDeque<Input>) -> Option<ToAppend> {
        self.begin(now);
        for _ in 0..TURN_INPUTS {
            if self.is_turn_full() {
                break;
            }
            let Some(input) = inputs.pop_front() else {
                break;
            };
            self.take(input);
        }
        self.expire_leases();
        self.fire_timers();
        self.advance_runs();
        self.dispatch();
        self.answer_polls();
        self.seal()
    }

    /// When a turn is needed although there is no input, in monotonic time. While too much is on
    /// its way no turn can be taken, and only durability is waited for.
    pub fn next_wake(&self) -> Option<Duration> {
        if !self.has_room_in_flight() {
            return None;
        }
        let timer = self.state.next_timer().map(|at| {
            let wait = Duration::from_micros(at.0.saturating_sub(self.at.0));
            self.now.mono + wait
        });
        let (leases, polls) = (self.leases.next(), self.polls.next());
        let all = [timer, leases, polls, self.next_due()];
        all.into_iter().flatten().min()
    }

    /// Records below `position` are durable: everything that waited for them is released.
    pub fn durable(&mut self, position: Position) {
        self.durable = position;
        while let Some(pending) = self.pending.pop_durable(position) {
            if let Some(sent_at) = pending.sent_at {
                self.confirmed_at = self.confirmed_at.max(sent_at);
            }
            // Whoever hears an answer may look into the feed for what it rests on.
            if let Some(batch) = pending.batch {
                self.lag += batch.bytes;
                self.unprojected.push_back((batch.end, batch.bytes));
                (self.sink)(batch);
            }
            for release in pending.releases {
                self.release(release);
            }
        }
    }

    /// The store has everything below `position` and takes more.
    pub(super) fn projected(&mut self, position: Position) {
        self.store_ready = true;
        self.bodies.projected(position);
        while let Some((_, bytes)) = self.unprojected.front().filter(|(end, _)| *end <= position) {
            self.lag = self.lag.saturating_sub(*bytes);
            self.unprojected.pop_front();
        }
    }

    /// Whether the record of this turn is as large as it should be.
    pub(super) fn is_turn_full(&self) -> bool {
        self.turn_bytes >= TURN_BYTES
    }

    /// Whether something happened in this turn.
    pub(super) fn has_events(&self) -> bool {
        self.event_count() > 0
    }

    /// How much has happened in this turn.
    pub(super) fn event_count(&self) -> usize {
        self.events.len()
    }

    /// Whether this leader may act on what only its clock tells it.
    pub(super) fn in_term(&self) -> bool {
        self.now.mono.saturating_sub(self.confirmed_at) <= self.options.term
            || planted(Bug::HeartbeatAfterTerm)
    }

    /// Whether a record on its way will say so, once it is durable.
    pub(super) fn is_proving_term(&self) -> bool {
        let sent_at = self.pending.last_sent_at();
        sent_at.is_some_and(|sent_at| self.now.mono.saturating_sub(sent_at) <= self.options.term)
    }

    fn begin(&mut self, now: Now) {
        self.now = now;
        self.at = self.clock.read(now);
        self.turn_bytes = 0;
    }

    /// Decides a command and applies what it brings about.
    pub(super) fn run(
        &mut self,
        command: Command,
    ) -> Result<capataz_engine::Answer, capataz_engine::Rejection> {
        let command = self.with_value(command);
        let decision = capataz_engine::decide(&self.state, self.at, command)?;
        for event in decision.events {
            capataz_engine::apply(&mut self.state, &event);
            self.note(&event);
            self.turn_bytes += event_size(&event);
            self.events.push(event);
        }
        Ok(decision.answer)
    }

    /// Takes out of a step's result what other steps refer to; of no other is it looked at.
    fn with_value(&self, mut command: Command) -> Command {
        if let Command::Report(report) = &mut command
            && let Some(room) = self.state.output_room(report.key)
            && let Ok(result) = proto::AttemptResult::decode(report.output.clone())
        {
            report.value = result.output.unwrap_or_default();
            if report.value.len() > room && report.outcome == Outcome::Succeeded {
                // It fails the attempt; who looks for the reason finds the sizes. What failed anyway
                // keeps what its worker says.
                report.output = convert::output_over(report.value.len(), room);
            }
        }
        command
    }

    /// Keeps what belongs to the leader, not to the state, in step with an event.
    fn note(&mut self, event: &Event) {
        match &event.change {
            Change::Leased {
                key,
                attempt,
                worker,
            } => {
                let token = (*key, *attempt);
                if self.polls.waits(*worker) {
                    let deadline = self.now.mono + self.options.lost_after();
                    self.leases.arm(Holder::Lease(token), deadline);
                } else {
                    let body = self.bodies.get(key.task());
                    self.work
                        .entry(*worker)
                        .or_default()
                        .push(LeasedTask { token, body });
                }
                return;
            }
            Change::Submitted { first, tasks, .. } | Change::StepStarted { first, tasks, .. } => {
                let end = self.tail.advance(1);
                for (offset, accepted) in tasks.iter().enumerate() {
                    let task = capataz_engine::TaskId(first.0 + offset as u64);
                    self.bodies.insert(task, &accepted.task.body, end);
                }
            }
            Change::AttemptEnded {
                key, attempt, next, ..
            } => {
                self.leases.disarm(Holder::Lease((*key, *attempt)));
                self.forget_body(*key);
                if let (None, Next::Over { phase, .. }) = (key.index(), next) {
                    self.ends.remember(key.task(), *phase);
                    self.tell_end(*key, *phase);
                }
            }
            Change::LeaseReleased { key, attempt, .. } => {
                self.leases.disarm(Holder::Lease((*key, *attempt)));
                self.forget_body(*key);
            }
            Change::Closed { key, phase, .. } => {
                self.forget_body(*key);
                self.tell_end(*key, *phase);
            }
            Change::Revived { key, .. } if key.index().is_none() && !planted(Bug::OldEndTold) => {
                self.ends.lives_again(key.task());
            }
            Change::Joined { worker, .. } => {
                let deadline = self.now.mono + self.options.lost_after();
                self.leases.arm(Holder::Worker(*worker), deadline);
            }
            Change::Left { worker, .. } => {
                self.leases.disarm(Holder::Worker(*worker));
                self.releases.push(Release::Forget(*worker));
            }
            _ => {}
        }
        for effect in capataz_engine::effects(&self.state, event) {
            self.plan(effect);
        }
    }

    /// Answers those who waited for a task, once its end is durable.
    fn tell_end(&mut self, key: capataz_engine::Key, phase: Phase) {
        if key.index().is_some() {
            return;
        }
        let position = self.tail.advance(1);
        for Answered { ended, reply } in self.ends.ended(key.task(), phase) {
            let ended = Some((ended, position));
            if planted(Bug::EndToldBeforeSync) {
                reply(Ok(ended));
                continue;
            }
            self.releases
                .push(Release::Call(Box::new(move || reply(Ok(ended)))));
        }
    }

    fn plan(&mut self, effect: capataz_engine::Effect) {
        use capataz_engine::Effect;
        match effect {
            Effect::Dispatch {
                worker,
                key,
                attempt,
            } => {
                let body = self.bodies.get(key.task());
                let leased = LeasedTask {
                    token: (key, attempt),
                    body,
                };
                self.work.entry(worker).or_default().push(leased);
            }
            Effect::Stop {
                worker,
                key,
                attempt,
            } => {
                self.stops.entry(worker).or_default().push((key, attempt));
            }
            Effect::Drain { worker } => self.drains.push(worker),
        }
    }

    fn forget_body(&mut self, key: capataz_engine::Key) {
        if self.state.task_view(key.task().key()).is_none() {
            self.bodies.remove(key.task());
        }
    }

    fn fire_timers(&mut self) {
        if self.state.next_timer().is_some_and(|at| at <= self.at) {
            let fired = self.run(Command::Tick);
            debug_assert!(fired.is_ok(), "a tick is never refused");
        }
    }

    fn dispatch(&mut self) {
        for _ in 0..TURN_LEASES {
            if !self.state.can_dispatch() {
                break;
            }
            let before = self.events.len();
            let leased = self.run(Command::Dispatch);
            debug_assert!(leased.is_ok(), "a dispatch is never refused");
            if self.events.len() == before {
                break;
            }
        }
    }

    /// Closes the turn: its events become a record, and what it releases waits for that.
    fn seal(&mut self) -> Option<ToAppend> {
        self.plan_messages();
        let expected = self.tail;
        let entries_due = self.store_ready || self.state.dirty_len() > DIRTY_MAX;
        if self.events.is_empty() {
            if entries_due && self.state.dirty_len() > 0 {
                self.push_batch(Vec::new(), 0);
            }
            self.hold_releases();
            return None;
        }
        let events = std::mem::take(&mut self.events);
        let record = record::encode(&events)?;
        self.tail = expected.advance(1);
        self.push_batch(events, record.len());
        self.hold_releases();
        Some(ToAppend { expected, record })
    }

    fn push_batch(&mut self, events: Vec<Event>, bytes: usize) {
        let entries_due = self.store_ready || self.state.dirty_len() > DIRTY_MAX;
        let entries = entries_due.then(|| self.state.take_dirty());
        self.store_ready &= !entries_due;
        let sent_at = (!events.is_empty()).then_some(self.now.mono);
        let batch = Batch {
            end: self.tail,
            events: Arc::new(events),
            entries,
            bytes,
        };
        self.pending.push(Pending {
            end: self.tail,
            sent_at,
            batch: Some(batch),
            releases: Vec::new(),
        });
    }

    /// What this turn says waits for everything it was computed from.
    fn hold_releases(&mut self) {
        let releases = std::mem::take(&mut self.releases);
        match self.pending.last_mut() {
            Some(pending) => pending.releases.extend(releases),
            None => releases
                .into_iter()
                .for_each(|release| self.release(release)),
        }
        // A batch of entries alone waits for nothing when all records are durable.
        self.durable(self.durable);
    }

    fn plan_messages(&mut self) {
        let tell = |(worker, message)| Release::Tell(worker, message);
        let work: Vec<_> = self
            .take_work()
            .into_iter()
            .map(|(worker, tasks)| tell((worker, SessionMessage::Work(tasks))))
            .collect();
        if self.stops.is_empty() && !self.releases.iter().any(Release::is_attach) {
            // A slot stands idle until its work is there, so work leaves before replies do. It
            // must not overtake the session that it is for, nor an order to stop.
            self.releases.splice(0..0, work);
        } else {
            let stops = std::mem::take(&mut self.stops).into_iter();
            let stops = stops.map(|(w, tokens)| tell((w, SessionMessage::Stop(tokens))));
            self.releases.extend(stops.chain(work));
        }
        let drains = std::mem::take(&mut self.drains).into_iter();
        self.releases
            .extend(drains.map(|w| tell((w, SessionMessage::Drain))));
    }

    /// What this turn sends to whom. An attempt whose lease has ended or was revoked later in the
    /// same turn is not sent: its worker would run it after it has said that nothing of it is left.
    fn take_work(&mut self) -> BTreeMap<WorkerId, Vec<LeasedTask>> {
        let mut work = std::mem::take(&mut self.work);
        for (worker, tasks) in &mut work {
            tasks.retain(|task| {
                let (key, attempt) = task.token;
                planted(Bug::EndedLeaseSent)
                    || self.state.lease_is_current(key, attempt)
                        && self.state.lease_holder(key, attempt) == Some(*worker)
            });
        }
        work.retain(|_, tasks| !tasks.is_empty());
        work
    }

    fn release(&mut self, release: Release) {
        match release {
            Release::Call(call) => call(),
            Release::Attach(worker, session) => self.sessions.attach(worker, session),
            Release::Tell(worker, message) => self.sessions.send(worker, message),
            Release::Forget(worker) => self.sessions.remove(worker),
        }
    }
}

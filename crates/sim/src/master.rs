//! The master's process: the production owner between a backlog, a journal's thread and a store's
//! thread, all of them here as steps of one agenda.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use capataz_api::proto::worker_frame;
use capataz_engine::{Outcome, Report, Usage};
use capataz_journal::disk::faulty::FaultyDisk;
use capataz_journal::{Append, Journal, Position, Room, Writer};
use capataz_server::convert;
use capataz_server::feed::Feed;
use capataz_server::owner::{Input, Owner, Session, ToAppend, Token};
use capataz_server::store::Batch;

use crate::clock::{MS, NodeClock, SECOND, Time};
use crate::figures::Fault;
use crate::frames;
use crate::mutant::Mutant;
use crate::network::Up;
use crate::pace::Pace;
use crate::rivals::Heard;
use crate::spoken::Spoken;
use crate::store::ModelStore;
use crate::world::{Happening, World};

/// How often what need not be done within an append is done.
const MAINTENANCE: Time = 100 * MS;
/// From an input until the turn that takes it.
const TURN: Time = 20;

/// So often in a hundred trims the power fails within the next changes of the disk.
const TRIM_CUT_PERCENT: u64 = 15;
/// Changes of the disk until then: two slots of the witness, and what is removed.
const TRIM_CUT_WITHIN: u64 = 7;

/// What the owner's closures fill.
pub(crate) type Shared<T> = Arc<Mutex<Vec<T>>>;

/// Takes everything out.
pub(crate) fn empty<T>(shared: &Shared<T>) -> Vec<T> {
    std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A running master.
pub(crate) struct Process {
    pub(crate) owner: Owner,
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) writer: Writer,
    pub(crate) backlog: VecDeque<Input>,
    /// Records that wait for the journal's thread.
    queue: VecDeque<ToAppend>,
    /// Records in the append that goes on.
    pub(crate) syncing: Vec<ToAppend>,
    /// What a shared journal has answered.
    pub(crate) heard: Option<Heard>,
    /// Its leadership is on record, for all it knows: it takes no turn before.
    pub(crate) leads: bool,
    pub(crate) batches: Shared<Batch>,
    pub(crate) feed: Feed,
    turn_at: Time,
    store_busy: bool,
    room: bool,
    /// The disk was full at some time.
    pub(crate) was_full: bool,
    /// How many events were durable when it last heard of an append: what it says next was computed
    /// from them, and maybe from later ones.
    pub(crate) since: u64,
    pub(crate) pace: Pace,
}

impl Process {
    pub(crate) fn new(
        owner: Owner,
        journal: Box<dyn Journal>,
        writer: Writer,
        batches: Shared<Batch>,
        feed: Feed,
    ) -> Process {
        Process {
            owner,
            journal,
            writer,
            backlog: VecDeque::new(),
            queue: VecDeque::new(),
            syncing: Vec::new(),
            heard: None,
            leads: false,
            batches,
            feed,
            turn_at: Time::MAX,
            store_busy: false,
            room: true,
            was_full: false,
            since: 0,
            pace: Pace::default(),
        }
    }
}

/// The master's machine.
pub(crate) struct Master {
    /// Counts processes: what belongs to an earlier one is void.
    pub(crate) generation: u64,
    pub(crate) process: Option<Process>,
    pub(crate) paused_until: Time,
    pub(crate) slow_appends_until: Time,
    pub(crate) slow_store_until: Time,
    pub(crate) clock: NodeClock,
    pub(crate) disk: FaultyDisk,
    pub(crate) store: ModelStore,
    pub(crate) spoken: Shared<Spoken>,
}

impl World {
    /// Gives the owner something; a turn follows.
    pub(crate) fn input(&mut self, input: Input) {
        if let Some(process) = &mut self.master.process {
            process.backlog.push_back(input);
            self.plan_turn(self.now + TURN);
        }
    }

    fn plan_turn(&mut self, at: Time) {
        let generation = self.master.generation;
        if let Some(process) = &mut self.master.process
            && at < process.turn_at
        {
            process.turn_at = at;
            self.plan(at, Happening::Turn(generation));
        }
    }

    /// A worker's frame has arrived.
    pub(crate) fn master_takes(&mut self, id: u64, message: Up) {
        let Some(connection) = self.network.connections.get(&id) else {
            return;
        };
        let session = connection.session;
        let frame = match message {
            Up::Frame(frame) => frame.frame,
            Up::Closed => {
                self.close_at_master(id);
                // Before it was welcomed there is nobody whose connection could have ended.
                if let Some(worker) = session {
                    self.input(Input::Gone {
                        worker,
                        session: id,
                        goodbye: false,
                    });
                }
                return;
            }
        };
        match (frame, session) {
            (Some(worker_frame::Frame::Hello(hello)), None) => {
                let Ok(hello) = convert::hello(hello) else {
                    return self.violate("a hello that cannot be read".to_owned());
                };
                let spoken = Arc::clone(&self.master.spoken);
                let send = move |message| {
                    let mut spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
                    spoken.push(Spoken::Session(id, message));
                };
                let session = Session {
                    number: id,
                    send: Box::new(send),
                };
                self.input(Input::Join(hello, session));
            }
            (Some(frame), Some(worker)) => {
                if let worker_frame::Frame::Goodbye(_) = frame {
                    self.close_at_master(id);
                }
                let mono = self.master.clock.mono(self.now);
                if let (worker_frame::Frame::Heartbeat(beat), Some(process)) =
                    (&frame, &mut self.master.process)
                {
                    process.pace.hears(id, beat.sequence, mono);
                }
                if let Some(mut input) = frames::input(worker, id, frame) {
                    if self.mutant == Some(Mutant::StaleTokenAccepted) {
                        self.refresh_tokens(&mut input);
                    }
                    self.input(input);
                }
            }
            _ => {}
        }
    }

    /// The planted bug of a master that does not look at the attempt's number.
    fn refresh_tokens(&self, input: &mut Input) {
        if let Input::Reports { ended, .. } = input {
            for report in ended {
                if let Some(lease) = self.ledger.lease(report.key) {
                    report.attempt = lease.attempt;
                }
            }
        }
    }

    /// The owner takes a turn.
    pub(crate) fn turn(&mut self) {
        let now = self.master.clock.read(self.now);
        let Some(process) = &mut self.master.process else {
            return;
        };
        // An earlier turn has taken this one's place.
        if process.turn_at > self.now {
            return;
        }
        process.turn_at = Time::MAX;
        if !process.leads {
            return;
        }
        if process.owner.has_room_in_flight()
            && let Some(append) = process.owner.turn(now, &mut process.backlog)
        {
            if self.mutant == Some(Mutant::AckBeforeSync) {
                process.owner.durable(append.expected.advance(1));
            }
            let (position, at) = (append.expected.get(), process.owner.state().last_at().0);
            process.queue.push_back(append);
            let timely = process.pace.sends(position, self.now, now.mono, at);
            if let Err(violation) = timely {
                return self.violate(violation);
            }
        }
        self.after_owner();
    }

    /// What follows from whatever the owner has done.
    pub(crate) fn after_owner(&mut self) {
        self.speak();
        let Some(process) = &mut self.master.process else {
            return;
        };
        for batch in empty(&process.batches) {
            self.master.store.push(batch);
        }
        self.start_append();
        self.start_commit();
        let Some(process) = &self.master.process else {
            return;
        };
        let ready = !process.backlog.is_empty() && process.owner.has_room_in_flight();
        let wake = process.owner.next_wake();
        if ready {
            self.plan_turn(self.now + TURN);
        } else if let Some(wake) = wake {
            let at = self.master.clock.when(wake).max(self.now + TURN);
            self.plan_turn(at);
        }
    }

    fn start_append(&mut self) {
        let slow = self.master.slow_appends_until > self.now;
        let longest = match slow {
            true => self.options.lease_ttl * 2,
            false => self.options.sync_max,
        };
        let at = self.now + self.chance.between(100, longest);
        let generation = self.master.generation;
        let Some(process) = &mut self.master.process else {
            return;
        };
        if process.syncing.is_empty() && !process.queue.is_empty() {
            process.syncing = process.queue.drain(..).collect();
            let first = process.syncing.first().map(|append| append.expected);
            if slow {
                self.fault(Fault::SlowAppend, self.this_master());
            }
            match (self.shared.is_some(), first) {
                (true, Some(expected)) => self.take_off(expected, longest),
                _ => self.plan(at, Happening::Appended(generation)),
            }
        }
    }

    /// The append that goes on comes to its end.
    pub(crate) fn finish_append(&mut self) {
        if self.shared.is_some() {
            return self.hear_of_append();
        }
        let Some(process) = &mut self.master.process else {
            return;
        };
        let group = std::mem::take(&mut process.syncing);
        let ended = append(process, &group);
        let tail = match ended {
            Append::Committed { tail } => tail,
            Append::Conflict { tail } => {
                return self.violate(format!("a conflict at {tail} without a rival"));
            }
            Append::Refused(_) | Append::Unknown(_) => {
                if let Append::Refused(_) = ended {
                    self.fault(Fault::RefusedAppend, self.this_master());
                }
                self.say(|| format!("master: append ended {ended:?}"));
                let power = self.chance.percent(50);
                return self.stop_master(power);
            }
        };
        let (epoch, writer) = (process.writer.epoch, process.writer.id);
        let exact = group.len() == 1;
        for append in group {
            let position = append.expected.get();
            self.becomes_durable(position, epoch, writer, &append.record);
        }
        self.confirmed(tail, exact);
    }

    /// Records below `tail` are durable, and the owner hears of it: what it says now is `exact` when
    /// only one of them is new.
    pub(crate) fn confirmed(&mut self, tail: Position, exact: bool) {
        self.exact = exact && !self.is_superseded();
        if let Some(process) = &mut self.master.process {
            process.leads = true;
            process.pace.confirms(tail.get());
            process.owner.durable(tail);
        }
        self.after_owner();
        self.exact = false;
        let moment = self.ledger.moment();
        if let Some(process) = &mut self.master.process {
            process.since = moment;
        }
        self.maintain();
    }

    /// What need not be done within an append.
    pub(crate) fn maintain(&mut self) {
        let Some(process) = &mut self.master.process else {
            return;
        };
        match process.journal.maintain() {
            Ok(room) => {
                let room = room == Room::Enough;
                if room != process.room {
                    process.room = room;
                    process.was_full |= !room;
                    if !room {
                        self.fault(Fault::DiskFull, self.this_master());
                    }
                    self.input(Input::JournalRoom(room));
                }
            }
            Err(fault) => {
                self.say(|| format!("master: maintenance failed: {fault}"));
                let power = self.chance.percent(50);
                self.stop_master(power);
            }
        }
    }

    pub(crate) fn maintain_again(&mut self) {
        self.maintain();
        let generation = self.master.generation;
        if self.master.process.is_some() {
            let at = self.now + MAINTENANCE;
            self.plan(at, Happening::Maintain(generation));
        }
    }

    fn start_commit(&mut self) {
        let slow = self.master.slow_store_until;
        let at = self.now + self.chance.between(MS, 50 * MS);
        let generation = self.master.generation;
        let Some(process) = &mut self.master.process else {
            return;
        };
        if !process.store_busy && self.master.store.is_due() {
            process.store_busy = true;
            if slow > at {
                self.fault(Fault::SlowStore, self.this_master());
            }
            self.plan(at.max(slow), Happening::Committed(generation));
        }
    }

    /// The store's transaction comes to its end.
    pub(crate) fn finish_commit(&mut self) {
        self.master.store.commit();
        let position = self.master.store.position();
        if let Some(process) = &mut self.master.process {
            process.store_busy = false;
            self.input(Input::Projected(position));
        }
        self.start_commit();
    }

    /// The store is synced, and the journal trimmed below it.
    pub(crate) fn checkpoint(&mut self) {
        let kept = self.chance.below(400);
        let pause = self.chance.between(3 * SECOND, 20 * SECOND);
        let cut = self.trouble() && self.chance.percent(TRIM_CUT_PERCENT);
        let generation = self.master.generation;
        let Some(process) = &mut self.master.process else {
            return;
        };
        let position = match self.mutant {
            Some(Mutant::TrimAboveStore) => process.journal.tail(),
            Some(Mutant::TrimBeforeStoreSync) => self.master.store.position(),
            _ => self.master.store.checkpoint(),
        };
        let below = Position::new(position.get().saturating_sub(kept));
        let epoch = process.writer.epoch;
        self.plan(self.now + pause, Happening::Checkpoint(generation));
        let Some(process) = &mut self.master.process else {
            return;
        };
        // Other masters start from stores that are behind.
        if self.shared.is_some() {
            return;
        }
        if below <= process.journal.first() {
            return;
        }
        if cut {
            self.master
                .disk
                .cut_after(self.chance.below(TRIM_CUT_WITHIN));
        }
        if let Err(error) = process.journal.trim(below, epoch) {
            self.say(|| format!("master: trimming failed: {error}"));
            let off = self.has_lost_power();
            if off {
                self.fault(Fault::CrashInTrim, self.this_master());
            }
            let power = off || self.chance.percent(50);
            self.stop_master(power);
        }
    }

    /// The process ends, or the machine does. What was being written may be there, or a part of it.
    pub(crate) fn stop_master(&mut self, power: bool) {
        let Some(mut process) = self.master.process.take() else {
            return;
        };
        self.say(|| format!("master stops, power cut {power}"));
        let ended = self.master.generation;
        self.last_generation += 1;
        self.master.generation = self.last_generation;
        self.master.paused_until = 0;
        let group = std::mem::take(&mut process.syncing);
        if !group.is_empty() && self.shared.is_none() {
            self.fault(Fault::CrashInAppend, format_args!("master {ended}"));
            // Before the write, between it and its sync, or in what a new segment needs.
            let most = if self.chance.percent(75) { 2 } else { 6 };
            self.master.disk.cut_after(self.chance.below(most));
            if let Append::Committed { .. } = append(&mut process, &group) {
                self.fault(Fault::LateLanding, format_args!("master {ended}"));
            }
        }
        drop(process);
        empty(&self.master.spoken);
        if power {
            self.master.disk.crash(self.chance.next());
            self.master.store.power_cut(&mut self.chance);
        } else {
            self.master.disk.heal();
            self.master.disk.kill();
            self.master.store.kill();
        }
        self.break_all(ended, if power { 3 * SECOND } else { 50 * MS });
        let pause = self.chance.between(20 * MS, 4 * SECOND);
        self.plan(self.now + pause, Happening::MasterStart);
    }

    /// An attempt whose spec cannot be had ends: its worker would never hear of it.
    pub(crate) fn end_without_spec(&mut self, (key, attempt): Token) {
        let report = Report {
            key,
            attempt,
            outcome: Outcome::Failed {
                reason: capataz_engine::Reason::Fatal,
                fatal: true,
            },
            output: Bytes::new(),
            value: bytes::Bytes::new(),
            usage: Usage::default(),
        };
        let command = capataz_engine::Command::Report(report);
        self.input(Input::Command(command, Box::new(|_| {})));
    }
}

fn append(process: &mut Process, group: &[ToAppend]) -> Append {
    let expected = group.first().map(|append| append.expected);
    let expected = expected.unwrap_or(process.journal.tail());
    let records: Vec<Bytes> = group.iter().map(|append| append.record.clone()).collect();
    process.journal.append(expected, process.writer, &records)
}

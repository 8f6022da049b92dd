//! Clients: what they ask for, how often they ask again, and what they were told.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use capataz_api::proto;
use capataz_engine::{Command, Key, OnLost, PodSettings, Request, TaskId};
use capataz_server::convert;
use capataz_server::owner::{Called, Input};
use prost::Message;

use crate::clock::{MS, SECOND, Time};
use crate::figures::Fault;
use crate::mutant::Mutant;
use crate::run_calls::RunAsk;
use crate::spoken::Spoken;
use crate::work::Work;
use crate::world::{Happening, World};

/// How long a client repeats a call: half as long as the master remembers it.
const PATIENCE: Time = 300 * SECOND;
/// Dedup keys that clients choose from: few, so that they meet.
const DEDUP_KEYS: u64 = 40;
/// Live tasks from which on clients submit no more.
const BUSY: u64 = 60;
/// Calls about runs in a hundred, where there are workflows.
const RUN_PERCENT: u64 = 35;
/// Payload numbers from here on belong to dedup keys.
const DEDUP_NUMBERS: u64 = 1 << 40;

/// A call of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId {
    pub(crate) client: usize,
    pub(crate) call: usize,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// New tasks.
    Submit { bodies: Vec<Bytes> },
    /// The end of a task.
    Cancel { task: u64 },
    /// The next round of a task, or of an element of an array.
    Retry { key: Key },
    /// A pod's settings.
    SetPod { pod: usize, hold: bool },
    /// How many tasks live.
    Count,
    /// Whoever vouches for it: nothing of a pod's lost attempts is left.
    ReleasePod { pod: String },
    /// A group's settings.
    SetGroup {
        group: usize,
        paused: bool,
        max_running: Option<u32>,
    },
    /// A workflow is registered, or forgotten.
    Register { flow: usize, on: bool },
    /// A run.
    StartRun(Box<RunAsk>),
    /// The end of a run.
    CancelRun { run: u64 },
    /// The steps of a run are held back, or not any more.
    PauseRun { run: u64, on: bool },
    /// Steps of a run are to run once more: those that failed, or one with what comes after it.
    Reopen {
        run: u64,
        step: Option<String>,
        descendants: bool,
    },
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is done; the ids of a submit.
    Done(Vec<u64>),
    /// It will not be done.
    Refused,
    /// It was not done now.
    Later,
}

/// One call with its history.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    request: [u8; 16],
    first_at: Time,
    /// The leader's time of the newest record when the call was first made.
    recorded_at: u64,
    pub(crate) told: Option<Told>,
    pub(crate) given_up: bool,
    /// It has reached the master and waits for the store.
    waits: bool,
}

/// A client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) calls: Vec<Call>,
    /// Tasks it knows of.
    known: Vec<u64>,
    /// Runs it knows of.
    pub(crate) runs: Vec<u64>,
}

/// The hashes of a spec's dedup key and content, as the engine knows them.
pub(crate) fn dedup(body: &Bytes) -> Option<(u128, u128)> {
    let spec = proto::TaskSpec::decode(body.clone()).ok()?;
    let key = spec.dedup_key?;
    Some((convert::hash(key.as_bytes()), convert::hash(body)))
}

impl World {
    /// A client makes another call, and plans the one after.
    pub(crate) fn step_client(&mut self, client: usize) {
        if self.calm_since.is_some() {
            return;
        }
        let kind = self.draw_call(client);
        self.call(client, kind);
        let pause = self.chance.below(self.options.call_pause * 2);
        self.plan(self.now + pause, Happening::ClientStep(client));
    }

    fn draw_call(&mut self, client: usize) -> Kind {
        if !self.flows.is_empty() && self.chance.percent(RUN_PERCENT) {
            return self.draw_run_call(client);
        }
        let known = &self.clients[client].known;
        let task = (!known.is_empty()).then(|| known[self.chance.index(known.len())]);
        // More than can be done soon would only wait.
        let most = if self.is_busy() { 26 } else { 100 };
        match (self.chance.below(most), task) {
            (0..12, Some(task)) => Kind::Cancel { task },
            (12..20, Some(task)) => Kind::Retry {
                key: self.draw_unit(task),
            },
            (20..23, _) => Kind::SetGroup {
                group: self.chance.index(self.options.groups),
                paused: self.chance.percent(30),
                max_running: self
                    .chance
                    .percent(50)
                    .then(|| 1 + self.chance.below(4) as u32),
            },
            (23..26, _) => Kind::Count,
            _ => {
                let count = self.chance.between(1, 4);
                let bodies = (0..count).map(|_| self.draw_task());
                Kind::Submit {
                    bodies: bodies.collect(),
                }
            }
        }
    }

    /// Whether more would only wait.
    pub(crate) fn is_busy(&self) -> bool {
        let live = self.master.process.as_ref();
        live.is_none_or(|process| process.owner.state().live_tasks() > BUSY)
    }

    /// The task itself, or an element if it is an array.
    fn draw_unit(&mut self, task: u64) -> Key {
        let id = TaskId(task);
        match self.ledger.elements(task) {
            Some(count) => id.element(self.chance.below(u64::from(count)) as u32),
            None => id.key(),
        }
    }

    fn draw_task(&mut self) -> Bytes {
        let chance = &mut self.chance;
        let mut spec = proto::TaskSpec {
            group: format!("g{}", chance.index(self.options.groups)),
            priority: Some(chance.between(1, 9) as u32),
            max_attempts: Some(chance.between(1, 3) as u32),
            max_lost: Some(chance.below(4) as u32),
            ..proto::TaskSpec::default()
        };
        if chance.percent(15) {
            // The content follows from the key, most of the time.
            let (key, variant) = (chance.below(DEDUP_KEYS), u64::from(chance.percent(10)));
            let number = DEDUP_NUMBERS + key * 2 + variant;
            let mut own = crate::chance::Chance::new(number);
            spec.group = "g0".to_owned();
            (spec.priority, spec.max_attempts) = (None, None);
            spec.dedup_key = Some(format!("key {key}"));
            spec.payload = Some(Work::draw(&mut own, number, false).payload());
            self.ledger.expect(number);
            return spec.encode_to_vec().into();
        }
        if chance.percent(10) {
            spec.delay_us = Some(chance.below(20 * SECOND));
        }
        if chance.percent(5) {
            spec.expires_in_us = Some(chance.below(60 * SECOND));
        }
        if chance.percent(8) {
            spec.count = Some(chance.between(1, 6) as u32);
        }
        self.last_number += 1;
        let work = Work::draw(chance, self.last_number, !self.options.calm);
        spec.payload = Some(work.payload());
        self.ledger.expect(work.number);
        spec.encode_to_vec().into()
    }

    /// Makes a call; it is repeated until it is answered.
    pub(crate) fn call(&mut self, client: usize, kind: Kind) {
        let mut request = [0; 16];
        request[..8].copy_from_slice(&self.chance.next().to_be_bytes());
        request[8..].copy_from_slice(&self.chance.next().to_be_bytes());
        let calls = &mut self.clients[client].calls;
        let id = CallId {
            client,
            call: calls.len(),
        };
        calls.push(Call {
            kind,
            request,
            first_at: self.now,
            recorded_at: self.ledger.last_at(),
            told: None,
            given_up: false,
            waits: false,
        });
        self.try_call(id);
    }

    /// Sends a call once more, or several times at once.
    pub(crate) fn try_call(&mut self, id: CallId) {
        let call = &mut self.clients[id.client].calls[id.call];
        if call.told.is_some() {
            return;
        }
        if self.now > call.first_at + PATIENCE {
            call.given_up = true;
            return;
        }
        let trouble = self.trouble();
        let mut copies = 1;
        if trouble && self.chance.percent(10) {
            self.fault(Fault::DoubledCall);
            copies = self.chance.between(2, 4);
        }
        for _ in 0..copies {
            if trouble && self.chance.percent(self.options.loss) {
                self.fault(Fault::LostCall);
                continue;
            }
            let delay = self.chance.between(50, self.options.delay_max);
            self.plan(self.now + delay, Happening::CallArrives(id));
        }
        let again = self.chance.between(SECOND, 4 * SECOND);
        self.plan(self.now + again, Happening::CallAgain(id));
    }

    /// A call has reached the master.
    pub(crate) fn call_arrives(&mut self, id: CallId) {
        let call = &self.clients[id.client].calls[id.call];
        // A copy that a master finds when it has long been answered, and that it may have forgotten
        // because its clock jumped, shall not undo what operators did last.
        if self.tidied && call.told.is_some() {
            return;
        }
        let Some(command) = self.command(id) else {
            return;
        };
        let spoken = Arc::clone(&self.master.spoken);
        let reply = move |result: Result<Called, _>| {
            let mut spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
            spoken.push(Spoken::Answer(id, result));
        };
        self.input(Input::Command(command, Box::new(reply)));
    }

    /// What a call asks of the owner; `None` when it is dealt with already.
    fn command(&mut self, id: CallId) -> Option<Command> {
        let process = self.master.process.as_ref()?;
        let call = &self.clients[id.client].calls[id.call];
        let request = Request {
            id: u128::from_be_bytes(call.request),
            content: convert::hash(format!("{:?}", call.kind).as_bytes()),
        };
        let once = |command| Command::Once {
            request,
            command: Box::new(command),
        };
        let command = match &call.kind {
            Kind::Submit { bodies } => match convert::submission(&call.request, bodies.clone()) {
                Ok(submission) => Command::Submit(submission),
                Err(error) => {
                    self.violate(format!("a submit is refused: {error}"));
                    return None;
                }
            },
            Kind::Cancel { .. } if self.mutant == Some(Mutant::CancelAnsweredOnly) => {
                self.answer(id, Told::Done(Vec::new()));
                return None;
            }
            Kind::Cancel { task } => once(Command::Cancel {
                key: TaskId(*task).key(),
                note: String::new(),
            }),
            // The store must have seen the task end.
            Kind::Retry { .. } if self.master.store.position() < process.owner.tail() => {
                self.wait_for_store(id);
                return None;
            }
            Kind::Retry { key } => match self.master.store.revival(*key) {
                Some(revival) => once(Command::Retry(revival)),
                None => {
                    self.answer(id, Told::Refused);
                    return None;
                }
            },
            Kind::SetPod { pod, hold } => once(Command::SetPod {
                pod: format!("p{pod}"),
                settings: self.pod_settings(*hold),
            }),
            Kind::ReleasePod { pod } => once(Command::ReleasePod { pod: pod.clone() }),
            Kind::Count => {
                self.count(id);
                return None;
            }
            Kind::SetGroup {
                group,
                paused,
                max_running,
            } => once(Command::SetGroup {
                group: format!("g{group}"),
                max_running: Some(*max_running),
                paused: Some(*paused),
            }),
            Kind::Register { .. }
            | Kind::StartRun(_)
            | Kind::CancelRun { .. }
            | Kind::PauseRun { .. } => self.run_command(&call.kind, request)?,
            Kind::Reopen { run, .. } => match self.reopening(&call.kind) {
                Some(reopening) => once(Command::Reopen(reopening)),
                None if self.master.store.position() < process.owner.tail() => {
                    self.wait_for_store(id);
                    return None;
                }
                None => {
                    let run = *run;
                    self.no_archive(id, run);
                    return None;
                }
            },
        };
        Some(command)
    }

    /// Asks how many tasks live, and for the position at which that is true.
    fn count(&mut self, id: CallId) {
        let spoken = Arc::clone(&self.master.spoken);
        self.input(Input::Query(Box::new(move |state, position| {
            // What is counted does not matter, only when it is told.
            let _ = state.live_tasks();
            Box::new(move || {
                let mut spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
                spoken.push(Spoken::Count(id, position));
            })
        })));
    }

    /// Copies of a call wait together.
    fn wait_for_store(&mut self, id: CallId) {
        let call = &mut self.clients[id.client].calls[id.call];
        if !std::mem::replace(&mut call.waits, true) {
            self.plan(self.now + 20 * MS, Happening::CallGoesOn(id));
        }
    }

    /// A call that waited for the store looks again.
    pub(crate) fn go_on(&mut self, id: CallId) {
        self.clients[id.client].calls[id.call].waits = false;
        self.call_arrives(id);
    }

    fn pod_settings(&self, hold: bool) -> PodSettings {
        let hold = hold && self.mutant != Some(Mutant::HoldIgnored);
        PodSettings {
            slots: Some(self.options.slots),
            on_lost: Some(if hold { OnLost::Hold } else { OnLost::Time }),
            paused: None,
        }
    }

    /// The master answers; the answer may get lost.
    pub(crate) fn answer(&mut self, id: CallId, told: Told) {
        if self.trouble() && self.chance.percent(self.options.loss) {
            return self.fault(Fault::LostCall);
        }
        let delay = self.chance.between(50, self.options.delay_max);
        self.plan(self.now + delay, Happening::Answered(id, told));
    }

    /// A client hears an answer.
    pub(crate) fn hear(&mut self, id: CallId, told: Told) {
        if told == Told::Later {
            return;
        }
        if told != Told::Refused
            && let Kind::Cancel { task } = self.clients[id.client].calls[id.call].kind
            && !self.ledger.has_ended(task)
            && !self.ledger.was_revived(task)
        {
            return self.violate(format!("task {task} was cancelled, it is said, and lives"));
        }
        let client = &mut self.clients[id.client];
        let call = &mut client.calls[id.call];
        match &call.told {
            // A call that was carried out is answered the same way each time.
            Some(Told::Done(ids)) if told != Told::Done(ids.clone()) => {
                let submit = match call.kind {
                    Kind::Submit { .. } => true,
                    // What refused it first may not refuse it later, and that is heard first.
                    Kind::StartRun(_) => told != Told::Refused,
                    _ => false,
                };
                // A master that starts after its clock has jumped believes it, and forgets.
                if submit && self.ledger.remembers(call.recorded_at) {
                    let what = format!("{id:?} was told {:?} and then {told:?}", call.told);
                    self.violate(what);
                }
            }
            Some(_) => {}
            None => {
                if let Told::Done(ids) = &told {
                    match call.kind {
                        Kind::StartRun(_) => client.runs.extend(ids),
                        _ => {
                            self.figures.acknowledged += ids.len() as u64;
                            client.known.extend(ids);
                        }
                    }
                }
                call.told = Some(told);
                self.told += 1;
            }
        }
    }

    /// Calls that wait for an answer.
    pub(crate) fn open_calls(&self) -> usize {
        let calls = self.clients.iter().flat_map(|client| &client.calls);
        calls
            .filter(|call| call.told.is_none() && !call.given_up)
            .count()
    }
}

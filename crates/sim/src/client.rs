//! Clients: what they ask for, how often they ask again, and what they were told.

use std::fmt;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use capataz_api::proto;
use capataz_engine::{Key, Request};
use capataz_server::convert;
use capataz_server::owner::{Called, Input};
use prost::Message;

use crate::additions::AddAsk;
use crate::clock::{MS, SECOND, Time};
use crate::figures::Fault;
use crate::run_calls::RunAsk;
use crate::spoken::Spoken;
use crate::world::{Happening, World};

/// How long a client repeats a call: half as long as the master remembers it.
const PATIENCE: Time = 300 * SECOND;

/// A call of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId {
    pub(crate) client: usize,
    pub(crate) call: usize,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} of client {}", self.call, self.client)
    }
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
    /// A running step adds others to its run.
    AddSteps(AddAsk),
    /// Whether tasks have ended, as soon as they have.
    Await { tasks: Vec<u64> },
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
    pub(crate) request: [u8; 16],
    first_at: Time,
    /// The leader's time of the newest record when the call was first made.
    recorded_at: u64,
    pub(crate) told: Option<Told>,
    pub(crate) given_up: bool,
    /// It has reached the master and waits for the store.
    waits: bool,
}

impl Call {
    /// Its id with the hash of what is asked under it.
    pub(crate) fn request(&self) -> Request {
        Request {
            id: u128::from_be_bytes(self.request),
            content: convert::hash(format!("{:?}", self.kind).as_bytes()),
        }
    }
}

/// A client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) calls: Vec<Call>,
    /// Tasks it knows of.
    pub(crate) known: Vec<u64>,
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
        let again = match call.kind {
            // Who waits need not be answered soon.
            Kind::Await { .. } => (10 * SECOND, 20 * SECOND),
            _ => (SECOND, 4 * SECOND),
        };
        let trouble = self.trouble();
        let mut copies = 1;
        if trouble && !self.options.calm && self.chance.percent(10) {
            self.fault(Fault::DoubledCall, id);
            copies = self.chance.between(2, 4);
        }
        for _ in 0..copies {
            if trouble && self.chance.percent(self.options.loss) {
                self.fault(Fault::LostCall, id);
                continue;
            }
            let delay = self.chance.between(50, self.options.delay_max);
            let arrives = self.now + delay;
            self.note_arrival(id, arrives);
            self.plan(arrives, Happening::CallArrives(id));
        }
        let again = self.chance.between(again.0, again.1);
        self.plan(self.now + again, Happening::CallAgain(id));
    }

    /// A call that was sent now will arrive then: maybe before another that was sent earlier.
    fn note_arrival(&mut self, id: CallId, arrives: Time) {
        let (other, latest) = self.latest_arrival;
        if arrives < latest && other != id {
            self.fault(Fault::Reordered, format_args!("{id}, before {other}"));
        } else {
            self.latest_arrival = (id, arrives.max(latest));
        }
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

    /// Copies of a call wait together.
    pub(crate) fn wait_for_store(&mut self, id: CallId) {
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

    /// The master answers; the answer may get lost.
    pub(crate) fn answer(&mut self, id: CallId, told: Told) {
        if self.trouble() && self.chance.percent(self.options.loss) {
            return self.fault(Fault::LostCall, format_args!("the answer to {id}"));
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
        self.open().count()
    }

    /// Those of them that change something. The others may wait for what operators are to do.
    pub(crate) fn open_changes(&self) -> usize {
        let changes = |call: &&Call| !matches!(call.kind, Kind::Await { .. });
        self.open().filter(changes).count()
    }

    fn open(&self) -> impl Iterator<Item = &Call> {
        let calls = self.clients.iter().flat_map(|client| &client.calls);
        calls.filter(|call| call.told.is_none() && !call.given_up)
    }
}

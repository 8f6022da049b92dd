//! What the master says, checked against what is durable before it leaves.

use std::time::Duration;

use capataz_engine::Answer;
use capataz_journal::Position;
use capataz_server::owner::{CallError, Called, SessionMessage, Token};

use crate::additions::Followed;
use crate::client::{CallId, Kind, Told};
use crate::figures::Fault;
use crate::frames;
use crate::ledger::{Check, Ledger};
use crate::master::empty;
use crate::mutant::Mutant;
use crate::network::Down;
use crate::poller::Reply;
use crate::refusals::{Standing, refused};
use crate::waits::Ends;
use crate::world::{Happening, World};

/// Something that leaves the owner.
#[derive(Debug)]
pub(crate) enum Spoken {
    /// A client's answer.
    Answer(CallId, Result<Called, CallError>),
    /// How many tasks live, which is true at a position.
    Count(CallId, u64, Position),
    /// Steps that are to be added were not added before.
    Unknown(CallId),
    /// How a run stands to which steps are to be added.
    Followed(CallId, Box<Followed>),
    /// How tasks ended for which a client waits, under the number of its wait.
    Ends(CallId, u64, Ends),
    /// What a REST worker's process is answered.
    Poller(usize, u64, Reply),
    /// A message on a connection.
    Session(u64, SessionMessage),
}

impl World {
    /// Sends out what the owner has released.
    pub(crate) fn speak(&mut self) {
        let mut welcomed = Vec::new();
        for spoken in empty(&self.master.spoken) {
            match spoken {
                Spoken::Answer(call, result) => self.speak_answer(call, result),
                Spoken::Count(call, count, position) => {
                    self.speak_count(call, count, position);
                }
                Spoken::Unknown(call) => self.look_at_run(call),
                Spoken::Followed(call, followed) => self.add_steps(call, *followed),
                Spoken::Ends(call, number, ends) => self.speak_ends(call, number, ends),
                Spoken::Poller(index, life, reply) => self.speak_reply(index, life, reply),
                Spoken::Session(connection, message) => {
                    match &message {
                        SessionMessage::Welcome { .. } => welcomed.push(connection),
                        SessionMessage::Work(_)
                            if self.mutant == Some(Mutant::EffectsLostAtTakeover)
                                && welcomed.contains(&connection) =>
                        {
                            continue;
                        }
                        _ => {}
                    }
                    self.speak_message(connection, message);
                }
            }
        }
    }

    fn speak_message(&mut self, id: u64, message: SessionMessage) {
        if let Err(violation) = check_message(&self.ledger, &message, self.exact) {
            return self.violate(format!("{violation}: {message:?}"));
        }
        let term = Duration::from_micros(self.options.term());
        if let (SessionMessage::Heartbeat(sequence), Some(process)) =
            (&message, &mut self.master.process)
            && let Err(violation) = process.pace.answers(id, *sequence, term)
        {
            return self.violate(violation);
        }
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        if !connection.master_open {
            return;
        }
        if let SessionMessage::Welcome { worker, .. } = message {
            connection.session = Some(worker);
            let (index, life) = (connection.worker, connection.life);
            let worker = &mut self.workers[index];
            let late = worker.life == life && worker.welcomed > id;
            worker.welcomed = worker.welcomed.max(id);
            if late && !self.is_superseded() {
                return self.violate(format!("w{index} is welcomed where it is no more"));
            }
        }
        let refused = matches!(message, SessionMessage::Refused(_));
        let lease_ttl = match self.mutant {
            Some(Mutant::LeaseLongerThanExpiry) => self.options.lease_ttl * 2,
            _ => self.options.lease_ttl,
        };
        match frames::frame(message, lease_ttl, &self.master.store) {
            Ok(frame) => self.send_down(id, Down::Frame(Box::new(frame))),
            Err(token) => self.end_without_spec(token),
        }
        if refused {
            self.close_at_master(id);
        }
    }

    fn speak_reply(&mut self, index: usize, life: u64, reply: Reply) {
        let ledger = &self.ledger;
        let in_force = |token: &Token| {
            let lease = ledger.lease(token.0);
            lease.is_some_and(|lease| lease.attempt == token.1 && !lease.revoked)
        };
        let sound = match &reply {
            Reply::Leased(_, leased) => {
                let mut tokens = leased.iter().map(|(token, _)| token);
                tokens.all(|(key, attempt)| ledger.was_leased(*key, *attempt))
            }
            // What is refused must be over; what is renewed is judged by what it leads to.
            Reply::Touched(token, _, renewed) => *renewed || !in_force(token),
            Reply::Reported(token) => !in_force(token),
        };
        // Who has been deposed knows a prefix, and may refuse what another one has given since.
        if !sound && self.is_superseded() {
            return;
        }
        if !sound {
            return self.violate(format!("r{index} is told what is not on record: {reply:?}"));
        }
        if self.trouble() && self.chance.percent(self.options.loss) {
            return self.fault(Fault::LostCall, format_args!("the answer to r{index}"));
        }
        let delay = self.chance.between(50, self.options.delay_max);
        self.plan(self.now + delay, Happening::PollerHears(index, life, reply));
    }

    /// Whether another master has begun to lead since.
    pub(crate) fn is_superseded(&self) -> bool {
        let process = self.master.process.as_ref();
        process.is_some_and(|process| process.writer.epoch < self.ledger.epoch())
    }

    fn speak_count(&mut self, id: CallId, count: u64, position: Position) {
        let tail = self.ledger.tail();
        if position.get() > tail {
            return self.violate(format!("a count of {position} is told, durable is {tail}"));
        }
        if let Err(violation) = self.ledger.check_count(count, position.get()) {
            return self.violate(violation);
        }
        self.answer(id, Told::Done(Vec::new()));
    }

    pub(crate) fn speak_answer(&mut self, id: CallId, result: Result<Called, CallError>) {
        let kind = self.clients[id.client].calls[id.call].kind.clone();
        let standing = self.standing();
        let told = match told(&self.ledger, &kind, result, standing) {
            Ok(told) => told,
            Err(violation) => return self.violate(format!("{id:?} {kind:?}: {violation}")),
        };
        self.answer(id, told);
    }
}

/// Nothing is said before it is on record.
fn check_message(ledger: &Ledger, message: &SessionMessage, exact: bool) -> Check {
    let broken = |what: &str| Err(what.to_owned());
    match message {
        SessionMessage::Welcome { worker, .. } if !ledger.has_joined(worker.0) => {
            broken("a worker is welcomed that is not on record")
        }
        SessionMessage::Work(tasks) => {
            let mut tokens = tasks.iter().map(|task| task.token);
            match tokens.all(|(key, attempt)| ledger.was_leased(key, attempt)) {
                true => {}
                false => return broken("work leaves before its lease is on record"),
            }
            let in_force = |(key, attempt)| {
                let lease = ledger.lease(key);
                lease.is_some_and(|lease| lease.attempt == attempt && !lease.revoked)
            };
            match exact && !tasks.iter().all(|task| in_force(task.token)) {
                true => broken("work leaves whose lease has ended"),
                false => Ok(()),
            }
        }
        SessionMessage::Acknowledged(tokens) => {
            let in_force = |(key, attempt)| {
                let lease = ledger.lease(key);
                lease.is_some_and(|lease| lease.attempt == attempt)
            };
            match tokens.iter().copied().any(in_force) {
                true => broken("a report is acknowledged before it is on record"),
                false => Ok(()),
            }
        }
        SessionMessage::Stop(tokens) => {
            let wanted = |(key, attempt)| {
                let lease = ledger.lease(key);
                lease.is_some_and(|lease| lease.attempt == attempt && !lease.revoked)
            };
            match tokens.iter().copied().any(wanted) {
                true => broken("an attempt is stopped whose lease is in force"),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// What a client is told, if that may be said.
fn told(
    ledger: &Ledger,
    kind: &Kind,
    result: Result<Called, CallError>,
    standing: Standing,
) -> Result<Told, String> {
    let called = match result {
        Ok(called) => called,
        Err(error) => return refused(ledger, kind, error, standing),
    };
    if called.position.get() > ledger.tail() {
        let tail = ledger.tail();
        return Err(format!(
            "answered from {}, durable is {tail}",
            called.position
        ));
    }
    match (kind, called.answer) {
        (Kind::Submit { bodies }, Answer::Submitted(ids)) => {
            let ids: Vec<u64> = ids.iter().map(|id| id.0).collect();
            if ids.len() != bodies.len() {
                return Err(format!("{} tasks became {} ids", bodies.len(), ids.len()));
            }
            for (id, body) in ids.iter().zip(bodies) {
                if ledger.body(*id) != Some(body) {
                    return Err(format!("task {id} is not what was submitted"));
                }
            }
            Ok(Told::Done(ids))
        }
        (Kind::Submit { .. }, answer) => Err(format!("a submit is answered by {answer:?}")),
        (Kind::StartRun(ask), Answer::Run(run)) => {
            match ledger.run(run.0).is_some_and(|run| run.asked == ask.run) {
                true => Ok(Told::Done(vec![run.0])),
                false => Err(format!("run {run} is not what was asked for")),
            }
        }
        (Kind::StartRun(_), answer) => Err(format!("a run is answered by {answer:?}")),
        (Kind::CancelRun { run }, _) => match ledger.run(*run).is_some_and(|run| run.cancels > 0) {
            true => Ok(Told::Done(Vec::new())),
            false => Err("the cancel of a run is acknowledged that is not on record".to_owned()),
        },
        (Kind::Reopen { run, .. }, _) => match ledger.run(*run).is_some_and(|run| run.again > 0) {
            true => Ok(Told::Done(Vec::new())),
            false => Err("steps run again, it is said, and that is not on record".to_owned()),
        },
        (Kind::AddSteps(ask), _) => match ledger.has_added(ask.run, &ask.numbers) {
            true => Ok(Told::Done(Vec::new())),
            false => Err("steps are added, it is said, that are not on record".to_owned()),
        },
        (Kind::Cancel { task }, _) => match ledger.was_revived(*task) || ledger.has_ended(*task) {
            true => Ok(Told::Done(Vec::new())),
            false => Err("a cancel is acknowledged that is not on record".to_owned()),
        },
        (Kind::Retry { key }, _) => match ledger.was_revived(key.task().0) {
            true => Ok(Told::Done(Vec::new())),
            false => Err("a retry is acknowledged that is not on record".to_owned()),
        },
        _ => Ok(Told::Done(Vec::new())),
    }
}

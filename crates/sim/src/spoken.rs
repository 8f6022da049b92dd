//! What the master says, checked against what is durable before it leaves.

use capataz_engine::{Answer, Rejection, TaskId};
use capataz_server::owner::{CallError, Called, SessionMessage};

use crate::client::{CallId, Kind, Told};
use crate::frames;
use crate::ledger::{Check, Ledger};
use crate::master::empty;
use crate::mutant::Mutant;
use crate::network::Down;
use crate::world::World;

/// Something that leaves the owner.
#[derive(Debug)]
pub(crate) enum Spoken {
    /// A client's answer.
    Answer(CallId, Result<Called, CallError>),
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
        if let Err(violation) = check_message(&self.ledger, &message) {
            return self.violate(format!("{violation}: {message:?}"));
        }
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        if !connection.master_open {
            return;
        }
        if let SessionMessage::Welcome { worker, .. } = message {
            connection.session = Some(worker);
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

    fn speak_answer(&mut self, id: CallId, result: Result<Called, CallError>) {
        let kind = self.clients[id.client].calls[id.call].kind.clone();
        let told = match told(&self.ledger, &kind, result) {
            Ok(told) => told,
            Err(violation) => return self.violate(format!("{id:?} {kind:?}: {violation}")),
        };
        self.answer(id, told);
    }
}

/// Nothing is said before it is on record.
fn check_message(ledger: &Ledger, message: &SessionMessage) -> Check {
    let broken = |what: &str| Err(what.to_owned());
    match message {
        SessionMessage::Welcome { worker, .. } if !ledger.has_joined(worker.0) => {
            broken("a worker is welcomed that is not on record")
        }
        SessionMessage::Work(tasks) => {
            let mut tokens = tasks.iter().map(|task| task.token);
            match tokens.all(|(key, attempt)| ledger.was_leased(key, attempt)) {
                true => Ok(()),
                false => broken("work leaves before its lease is on record"),
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
fn told(ledger: &Ledger, kind: &Kind, result: Result<Called, CallError>) -> Result<Told, String> {
    let called = match result {
        Ok(called) => called,
        Err(error) => return refused(ledger, kind, error),
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
        (Kind::Cancel { task }, _) => {
            let revived = ledger.revivals(*task).is_some_and(|times| times > 0);
            match revived || ledger.has_ended(*task) {
                true => Ok(Told::Done(Vec::new())),
                false => Err("a cancel is acknowledged that is not on record".to_owned()),
            }
        }
        (Kind::Retry { task }, _) => match ledger.revivals(*task) {
            Some(1..) => Ok(Told::Done(Vec::new())),
            _ => Err("a retry is acknowledged that is not on record".to_owned()),
        },
        _ => Ok(Told::Done(Vec::new())),
    }
}

/// Refusals are promises too: they say how things stand.
fn refused(ledger: &Ledger, kind: &Kind, error: CallError) -> Result<Told, String> {
    match &error {
        CallError::Overloaded { .. } | CallError::StorageFull => Ok(Told::Later),
        CallError::Rejected(Rejection::DedupConflict { index, .. }) => {
            let Kind::Submit { bodies } = kind else {
                return Err(format!("refused with {error}"));
            };
            let dedup = bodies.get(*index).and_then(crate::client::dedup);
            match dedup.is_some_and(|(key, content)| ledger.stands_for_other(key, content)) {
                true => Ok(Told::Refused),
                false => Err(format!("refused without a reason on record: {error}")),
            }
        }
        CallError::Rejected(Rejection::NotLive { key }) => {
            let task = key.task().0;
            let revived = ledger.revivals(task).is_some_and(|times| times > 0);
            match revived || ledger.has_ended(task) {
                true => Ok(Told::Refused),
                false => Err(format!("task {} lives on record: {error}", TaskId(task))),
            }
        }
        CallError::Rejected(Rejection::StillLive { .. } | Rejection::DuplicateInBatch { .. }) => {
            Ok(Told::Refused)
        }
        _ => Err(format!("refused: {error}")),
    }
}

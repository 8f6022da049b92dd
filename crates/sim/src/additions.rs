//! Steps that a running step adds to its run: the same steps as the REST service takes, each with
//! an answer of the owner in between.

use std::sync::{Arc, PoisonError};

use capataz_engine::{Attempt, Command, Key, Rejection, Request, RunId, Version};
use capataz_server::owner::{CallError, Called, Input};
use capataz_server::workflow::compile;
use serde_json::Value;

use crate::chance::Chance;
use crate::client::{CallId, Kind, Told};
use crate::covered::Covered;
use crate::ledger::Ledger;
use crate::spoken::Spoken;
use crate::world::World;

/// Of the steps that begin so many in a hundred add others.
const PERCENT: u64 = 12;
/// Steps that are added at once.
const TOGETHER: u64 = 3;
/// Steps of a run from which on none adds more: the run is to end.
const MOST: usize = 24;
/// Graphs that are drawn in vain before nothing is added.
const TRIES: usize = 5;

/// What a step asks for.
#[derive(Clone, Debug)]
pub(crate) struct AddAsk {
    pub(crate) run: u64,
    /// The attempt that asks.
    key: Key,
    attempt: Attempt,
    /// The steps' own numbers, each of which may be on record once.
    pub(crate) numbers: Vec<u64>,
    /// What they are drawn from.
    seed: u64,
}

impl AddAsk {
    /// Whether the attempt that asks holds its lease, as far as is on record.
    pub(crate) fn is_current(&self, ledger: &Ledger) -> bool {
        let lease = ledger.lease(self.key);
        lease.is_some_and(|lease| lease.attempt == self.attempt && !lease.revoked)
    }
}

/// How the run stands, as the owner sees it.
pub(crate) struct Followed {
    /// What it follows; `None` when it does not live.
    version: Option<Version>,
    /// The attempt holds its lease.
    is_current: bool,
}

impl std::fmt::Debug for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.version.is_some(), self.is_current)
    }
}

impl World {
    /// An attempt begins: if it is a step, it may add others to its run.
    pub(crate) fn maybe_add_steps(&mut self, key: Key, attempt: Attempt) {
        let Some(run) = self.ledger.run_of(key) else {
            return;
        };
        if self.calm_since.is_some()
            || self.ledger.steps_of(run) >= MOST
            || !self.chance.percent(PERCENT)
        {
            return;
        }
        let count = self.chance.between(1, TOGETHER);
        let numbers = self.last_number + 1..=self.last_number + count;
        self.last_number += count;
        numbers
            .clone()
            .for_each(|number| self.ledger.expect(number));
        let ask = AddAsk {
            run,
            key,
            attempt,
            numbers: numbers.collect(),
            seed: self.chance.next(),
        };
        let client = self.chance.index(self.clients.len());
        self.call(client, Kind::AddSteps(ask));
    }

    /// The call has reached the master: was it carried out before?
    pub(crate) fn begin_adding(&mut self, id: CallId, request: Request) {
        // Never carried out: no run has this number.
        let (run, on) = (RunId(0), false);
        let probe = Command::Once {
            request,
            command: Box::new(Command::PauseRun { run, on }),
        };
        let spoken = Arc::clone(&self.master.spoken);
        let reply = move |result: Result<Called, CallError>| {
            let mut spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
            spoken.push(match result {
                Err(CallError::Rejected(Rejection::RunNotLive { .. })) => Spoken::Unknown(id),
                result => Spoken::Answer(id, result),
            });
        };
        self.input(Input::Command(probe, Box::new(reply)));
    }

    /// It was not: what does the run follow?
    pub(crate) fn look_at_run(&mut self, id: CallId) {
        let Kind::AddSteps(ask) = self.clients[id.client].calls[id.call].kind.clone() else {
            return;
        };
        let spoken = Arc::clone(&self.master.spoken);
        self.input(Input::Query(Box::new(move |state, _| {
            let run = RunId(ask.run);
            let followed = Followed {
                version: state.run_context(run).map(|run| run.version().clone()),
                is_current: state.runs_step(run, ask.key, ask.attempt),
            };
            Box::new(move || {
                let mut spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
                spoken.push(Spoken::Followed(id, Box::new(followed)));
            })
        })));
    }

    /// The run's version becomes one with more steps.
    pub(crate) fn add_steps(&mut self, id: CallId, followed: Followed) {
        let call = &self.clients[id.client].calls[id.call];
        let (request, Kind::AddSteps(ask)) = (call.request(), call.kind.clone()) else {
            return;
        };
        let version = match followed.version.filter(|_| followed.is_current) {
            Some(version) => version,
            None => return self.refuse_steps(id, &ask),
        };
        let Some(version) = self.extended(&ask, &version) else {
            return self.answer(id, Told::Refused);
        };
        let extend = Command::ExtendRun {
            run: RunId(ask.run),
            by: Some((ask.key, ask.attempt)),
            version: Box::new(version),
        };
        let command = Command::Once {
            request,
            command: Box::new(extend),
        };
        let spoken = Arc::clone(&self.master.spoken);
        let reply = move |result| {
            let mut spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
            spoken.push(Spoken::Answer(id, result));
        };
        self.input(Input::Command(command, Box::new(reply)));
    }

    /// Steps are refused to a run that is over, and to an attempt that holds no lease.
    fn refuse_steps(&mut self, id: CallId, ask: &AddAsk) {
        // Who has been deposed knows a prefix.
        if ask.is_current(&self.ledger) && !self.is_superseded() {
            return self.violate(format!("steps are refused to a step that runs: {ask:?}"));
        }
        self.ledger.cover(Covered::AdditionsRefused);
        self.answer(id, Told::Refused);
    }

    /// A version with more steps at its end, of which the ledger is told what they are.
    fn extended(&mut self, ask: &AddAsk, version: &Version) -> Option<Version> {
        let Some(flow) = self.ledger.flow_of(&version.definition) else {
            self.violate("a run follows what nobody knows".to_owned());
            return None;
        };
        let chance = &mut Chance::new(ask.seed);
        (0..TRIES).find_map(|_| {
            let longer = flow.extended(chance, &ask.numbers);
            let mut document: Value = serde_json::from_slice(&version.definition).ok()?;
            let more = longer.steps.iter().enumerate().skip(flow.steps.len());
            let more = more.map(|(number, step)| step.document(number));
            document["steps"].as_array_mut()?.extend(more);
            let version = compile(&document.to_string()).ok()?.version;
            let known = version.definition.clone();
            self.ledger.know(known, Arc::new(longer));
            Some(version)
        })
    }
}

//! Clients that wait for some of their tasks: they are told of an end as soon as it is durable, and
//! never earlier. Who is told to look into the store does so.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use capataz_engine::{Phase, TaskId};
use capataz_journal::Position;
use capataz_server::owner::{CallError, EndsCall, Input};

use crate::client::{CallId, Kind, Told};
use crate::clock::{SECOND, Time};
use crate::covered::Covered;
use crate::spoken::Spoken;
use crate::world::World;

/// How long such a call is worth an answer.
const PATIENCE: Time = 60 * SECOND;
/// For so long a master must not have forgotten it, whatever its clock does.
const KEPT: Time = PATIENCE / 2;

/// What the owner says.
pub(crate) type Ends = Result<Option<(Vec<Phase>, Position)>, CallError>;

/// Calls that masters have taken in and not answered.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    last: u64,
    open: BTreeMap<u64, Wait>,
}

#[derive(Debug)]
struct Wait {
    /// The process that was asked.
    generation: u64,
    since: Time,
    tasks: Vec<u64>,
}

impl World {
    /// Some tasks of a client, or of the steps of one of its runs; one of them maybe twice.
    pub(crate) fn draw_wait(&mut self, client: usize) -> Kind {
        let known = &self.clients[client].known;
        let mut tasks = Vec::new();
        for _ in 0..self.chance.between(1, 3) {
            // Rather a late one: most of the others have ended.
            let near = known.len().saturating_sub(8);
            let from = if self.chance.percent(70) { near } else { 0 };
            tasks.push(known[from + self.chance.index(known.len() - from)]);
        }
        let runs = &self.clients[client].runs;
        let step = runs.last().and_then(|run| self.ledger.live_task_of(*run));
        tasks.extend(step.filter(|_| self.chance.percent(50)));
        Kind::Await { tasks }
    }

    /// A call has reached the master.
    pub(crate) fn await_ends(&mut self, id: CallId, tasks: &[u64]) {
        self.waits.last += 1;
        let number = self.waits.last;
        let wait = Wait {
            generation: self.master.generation,
            since: self.now,
            tasks: tasks.to_vec(),
        };
        self.waits.open.insert(number, wait);
        let spoken = Arc::clone(&self.master.spoken);
        self.input(Input::AwaitEnds(EndsCall {
            tasks: tasks.iter().map(|task| TaskId(*task)).collect(),
            patience: Duration::from_micros(PATIENCE),
            reply: Box::new(move |ends| {
                let mut spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
                spoken.push(Spoken::Ends(id, number, ends));
            }),
        }));
    }

    /// The owner answers.
    pub(crate) fn speak_ends(&mut self, id: CallId, number: u64, ends: Ends) {
        let Some(wait) = self.waits.open.remove(&number) else {
            return self.violate(format!("{id:?} is told twice of the same ends"));
        };
        let told = match ends {
            Ok(Some((phases, position))) => {
                let checked = self.ledger.check_ends(&wait.tasks, &phases, position.get());
                if let Err(violation) = checked {
                    let tasks = wait.tasks;
                    return self.violate(format!("{tasks:?}: {violation}"));
                }
                self.ledger.cover(Covered::EndsTold);
                if phases.len() > 1 {
                    self.ledger.cover(Covered::EndsToldOfSeveral);
                }
                Told::Done(Vec::new())
            }
            // It looks into the store, and asks again if that shows that one of them lives.
            Ok(None) if wait.tasks.iter().all(|task| self.ledger.has_ended(*task)) => {
                Told::Done(Vec::new())
            }
            Ok(None) => Told::Later,
            Err(error) => return self.violate(format!("a wait is refused: {error}")),
        };
        self.answer(id, told);
    }

    /// Nobody who waits for what has ended is forgotten.
    pub(crate) fn check_waits(&mut self) {
        let living = [self.master.generation, self.rival.generation];
        self.waits
            .open
            .retain(|_, wait| living.contains(&wait.generation));
        let Some(process) = self.master.process.as_ref() else {
            return;
        };
        if !process.owner.is_settled() || !process.backlog.is_empty() || self.is_superseded() {
            return;
        }
        let forgotten = self.waits.open.values().find(|wait| {
            wait.generation == self.master.generation
                && wait.since + KEPT > self.now
                && wait.tasks.iter().all(|task| self.ledger.has_ended(*task))
        });
        if let Some(wait) = forgotten {
            let what = format!("nobody is told that all of {:?} have ended", wait.tasks);
            self.violate(what);
        }
    }
}

//! Several masters and one journal: one leads, one may still believe that it does. The journal lies
//! across a network: an append lands some time after it was sent, whether its sender lives or not,
//! and the sender hears of it later, or never.
//!
//! Each master has a store of its own. The one that led last sits in `World::master`; the other is
//! brought there for as long as something happens to it.

use bytes::Bytes;
use capataz_journal::planted::Bug;
use capataz_journal::{Append, Journal, Position, Writer};

use crate::clock::Time;
use crate::figures::Fault;
use crate::mutant::Mutant;
use crate::world::{Happening, World};

/// An append on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    /// Whose it is.
    generation: u64,
    expected: Position,
    writer: Writer,
    records: Vec<Bytes>,
    /// Its sender never hears what came of it.
    unheard: bool,
}

/// What a sender hears of its append.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard {
    Committed(Position),
    Conflict(Position),
}

impl World {
    /// Whether a second master runs.
    pub(crate) fn has_rival(&self) -> bool {
        self.rival.process.is_some()
    }

    /// Whether the master of a generation runs.
    pub(crate) fn lives(&self, generation: u64) -> bool {
        [&self.master, &self.rival]
            .into_iter()
            .any(|master| master.generation == generation && master.process.is_some())
    }

    /// Lets something happen to the master of a generation, unless it is gone.
    pub(crate) fn with_master(&mut self, generation: u64, act: impl FnOnce(&mut World)) {
        if generation == self.master.generation {
            return act(self);
        }
        if generation == self.rival.generation {
            std::mem::swap(&mut self.master, &mut self.rival);
            act(self);
            std::mem::swap(&mut self.master, &mut self.rival);
        }
    }

    /// The generation of the master that somebody reaches who does not know which one leads.
    pub(crate) fn any_master(&mut self) -> u64 {
        match self.has_rival() && self.chance.percent(30) {
            true => self.rival.generation,
            false => self.master.generation,
        }
    }

    /// Another master begins to lead; the one before is not told.
    pub(crate) fn take_over(&mut self) {
        if self.shared.is_none() || self.has_rival() || self.master.process.is_none() {
            return;
        }
        self.fault(Fault::Takeover, self.this_master());
        if self.chance.percent(50) {
            self.master.paused_until = self.now + self.chance.below(self.options.lease_ttl * 3);
        }
        std::mem::swap(&mut self.master, &mut self.rival);
        self.start_master();
    }

    /// A master that is to start again may do so on the other machine.
    pub(crate) fn change_machines(&mut self) {
        let free = self.master.process.is_none() && !self.has_rival();
        if self.shared.is_some() && free && self.chance.percent(50) {
            std::mem::swap(&mut self.master, &mut self.rival);
        }
    }

    /// Sends an append to the shared journal.
    pub(crate) fn take_off(&mut self, expected: Position, longest: Time) {
        let lands = self.now + self.chance.between(50, longest);
        let unheard = self.trouble() && self.chance.below(500) == 0;
        let generation = self.master.generation;
        let Some(process) = &self.master.process else {
            return;
        };
        let records = process.syncing.iter().map(|append| append.record.clone());
        let flight = Flight {
            generation,
            expected,
            writer: process.writer,
            records: records.collect(),
            unheard,
        };
        self.last_flight += 1;
        self.flights.insert(self.last_flight, flight);
        self.plan(lands, Happening::Lands(self.last_flight));
        if unheard {
            self.fault(Fault::UnknownAppend, self.this_master());
            let patience = self.chance.below(self.options.lease_ttl);
            self.plan(self.now + patience, Happening::Appended(generation));
        }
    }

    /// An append reaches the journal.
    pub(crate) fn land(&mut self, number: u64) {
        let (Some(flight), Some(mut journal)) = (self.flights.remove(&number), self.shared.clone())
        else {
            return;
        };
        let heard = match journal.append(flight.expected, flight.writer, &flight.records) {
            Append::Committed { tail } => Heard::Committed(tail),
            Append::Conflict { tail } => Heard::Conflict(tail),
            other => return self.violate(format!("the shared journal says {other:?}")),
        };
        let lives = self.lives(flight.generation);
        if let Heard::Committed(_) = heard {
            if !lives {
                let sender = flight.generation;
                self.fault(Fault::LateLanding, format_args!("master {sender}"));
            }
            for (position, record) in (flight.expected.get()..).zip(&flight.records) {
                let Writer { epoch, id } = flight.writer;
                self.becomes_durable(position, epoch, id, record);
            }
        }
        if lives && !flight.unheard {
            let answered = self.now + self.chance.between(50, self.options.sync_max);
            self.with_master(flight.generation, |world| {
                if let Some(process) = &mut world.master.process {
                    process.heard = Some(heard);
                }
            });
            self.plan(answered, Happening::Appended(flight.generation));
        }
    }

    /// A master hears what came of its append, or gives up waiting for it.
    pub(crate) fn hear_of_append(&mut self) {
        let Some(process) = &mut self.master.process else {
            return;
        };
        match process.heard.take() {
            Some(Heard::Committed(tail)) => {
                let exact = process.syncing.len() == 1;
                process.syncing.clear();
                self.confirmed(tail, exact);
            }
            Some(Heard::Conflict(tail)) => {
                let fault = match process.leads {
                    true => Fault::Conflict,
                    false => Fault::LostElection,
                };
                self.fault(fault, self.this_master());
                if self.mutant == Some(Mutant::RetryAfterConflict) {
                    let newest = process_epoch(&self.shared);
                    if let Some(process) = &mut self.master.process {
                        process.writer.epoch = newest + 1;
                    }
                    return self.take_off(tail, self.options.sync_max);
                }
                if let Some(Mutant::InJournal(Bug::EpochNotChecked)) = self.mutant {
                    // Whom only the journal's look at the epoch keeps out now.
                    return self.take_off(tail, self.options.sync_max);
                }
                self.say(|| format!("master meets a conflict at {tail} and steps down"));
                self.stop_master(false);
            }
            None => {
                let tail = self.shared.as_ref().map(Journal::tail);
                if let (Some(Mutant::UnknownTakenForRefused), Some(tail)) = (self.mutant, tail) {
                    return self.take_off(tail, self.options.sync_max);
                }
                self.say(|| "master does not know what came of its append".to_owned());
                self.stop_master(false);
            }
        }
    }
}

fn process_epoch(shared: &Option<capataz_journal::MemoryJournal>) -> u64 {
    let journal = shared.as_ref();
    journal.map_or(0, |journal| journal.last_writer().epoch)
}

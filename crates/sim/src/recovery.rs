//! A master starts: the store's entries, the journal's tail, a new leadership. The same steps as
//! `RunningNamespace::open`, each of them watched.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use capataz_engine::State;
use capataz_journal::disk::Disk;
use capataz_journal::{
    Append, FileJournal, FileOptions, Journal, JournalId, OpenError, Position, ReadError, Writer,
};
use capataz_server::feed::Feed;
use capataz_server::owner::{Owner, OwnerOptions, ToAppend};
use capataz_server::record;
use capataz_server::store::Batch;

use crate::clock::{MS, SECOND};
use crate::disk;
use crate::figures::Fault;
use crate::ledger::Violation;
use crate::master::{Process, Shared, empty};
use crate::mutant::Mutant;
use crate::world::{Happening, World};

/// Bytes of journal that are replayed at a time.
pub(crate) const REPLAY_BYTES: usize = 64 << 10;

/// So often in a hundred starts the power fails within the next changes of the disk.
const CUT_PERCENT: u64 = 12;
/// Changes of the disk until then: what a start takes, its first append and a little more.
const CUT_WITHIN: u64 = 16;

/// So often in a hundred starts, while things go wrong, the announcement of a leadership takes up
/// to a lease to land, and others go on.
const SLOW_ELECTION_PERCENT: u64 = 40;

/// Why a start did not come to its end.
enum Stopped {
    /// The disk did not play along; it may the next time.
    Again(String),
    /// A promise is broken.
    Broken(Violation),
}

impl World {
    /// Starts the master, or finds out that it must try again.
    pub(crate) fn start_master(&mut self) {
        self.change_machines();
        if self.master.process.is_some() {
            return;
        }
        if self.trouble() && self.chance.percent(CUT_PERCENT) {
            self.master.disk.cut_after(self.chance.below(CUT_WITHIN));
        }
        match self.recover() {
            Ok(()) => {
                let generation = self.master.generation;
                self.say(|| format!("master starts, generation {generation}"));
                self.plan(self.now + 50 * MS, Happening::Maintain(generation));
                self.plan(self.now + 5 * SECOND, Happening::Checkpoint(generation));
                self.after_owner();
            }
            Err(Stopped::Again(reason)) => {
                self.say(|| format!("master does not start: {reason}"));
                if self.has_lost_power() {
                    self.fault(Fault::CrashInRecovery, self.this_master());
                    self.master.disk.crash(self.chance.next());
                    self.master.store.power_cut(&mut self.chance);
                } else {
                    self.master.disk.kill();
                }
                let pause = self.chance.between(100 * MS, 2 * SECOND);
                self.plan(self.now + pause, Happening::MasterStart);
            }
            Err(Stopped::Broken(violation)) => self.violate(violation),
        }
    }

    /// Whether the power failed in the middle of something.
    pub(crate) fn has_lost_power(&self) -> bool {
        self.master.disk.list().is_err()
    }

    fn open_journal(&self) -> Result<Box<dyn Journal>, Stopped> {
        if let Some(journal) = &self.shared {
            return Ok(Box::new(journal.clone()));
        }
        let disk = disk::for_journal(&self.master.disk, self.mutant);
        let options = file_options(self.options.segment_bytes);
        match FileJournal::open_on(disk, options) {
            Ok(journal) => Ok(Box::new(journal)),
            Err(OpenError::Disk(error)) => Err(Stopped::Again(error.to_string())),
            Err(error) => {
                let what = format!("the journal does not open: {error}");
                Err(Stopped::Broken(what))
            }
        }
    }

    fn recover(&mut self) -> Result<(), Stopped> {
        let before = self.master.disk.fork();
        let journal = self.open_journal()?;
        let position = self.master.store.position();
        if position < journal.first() || position > journal.tail() {
            let (first, tail) = (journal.first(), journal.tail());
            let what = format!("the store is at {position}, the journal from {first} to {tail}");
            return Err(Stopped::Broken(what));
        }
        self.audit(journal.as_ref())?;
        if self.shared.is_none() && self.trouble() {
            self.let_rot(before, 0).map_err(Stopped::Broken)?;
            let whole = self.master.disk.fork();
            self.let_rot(whole, journal.tail().get())
                .map_err(Stopped::Broken)?;
        }
        let mut state = self
            .master
            .store
            .load()
            .map_err(|error| Stopped::Broken(format!("the store does not load: {error}")))?;
        if self.mutant != Some(Mutant::TailNotReplayed) {
            self.replay(journal.as_ref(), &mut state)?;
            self.check_hash("replay", &state);
        }
        self.begin_to_lead(journal, state)
    }

    /// A new leadership above all that are on record; its announcement is the first record.
    fn begin_to_lead(&mut self, journal: Box<dyn Journal>, state: State) -> Result<(), Stopped> {
        let epoch = journal.last_writer().epoch.max(state.epoch()) + 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.chance.next().to_le_bytes());
        let writer = Writer { epoch, id };
        let batches: Shared<Batch> = Shared::default();
        let filled = Arc::clone(&batches);
        let tail = journal.tail();
        let feed = Feed::new(journal.reader(), tail);
        let fed = feed.clone();
        let sink = move |batch: Batch| {
            if !batch.events.is_empty() {
                fed.push(batch.end, Arc::clone(&batch.events), batch.bytes);
            }
            let mut filled = filled.lock().unwrap_or_else(PoisonError::into_inner);
            filled.push(batch);
        };
        let now = self.master.clock.read(self.now);
        let mut owner = Owner::new(state, tail, now, self.owner_options(), Box::new(sink));
        let Some(first) = owner.start_epoch(now, epoch, format!("{:x}", epoch)) else {
            return Err(Stopped::Broken("a leadership made no record".to_owned()));
        };
        let mut process = Process::new(owner, journal, writer, batches, feed);
        process.pace.leads(now.mono);
        match self.shared {
            Some(_) => self.stand_for_election(process, first),
            None => self.announce(process, &first)?,
        }
        Ok(())
    }

    /// Where masters share a journal others may be faster: it leads when it hears that its
    /// announcement is on record.
    fn stand_for_election(&mut self, mut process: Process, first: ToAppend) {
        let expected = first.expected;
        process.syncing.push(first);
        self.master.process = Some(process);
        let slow = self.trouble() && self.chance.percent(SLOW_ELECTION_PERCENT);
        let longest = match slow {
            true => self.options.lease_ttl,
            false => self.options.sync_max,
        };
        self.take_off(expected, longest);
    }

    /// Who has the journal's lock leads as soon as that is written.
    fn announce(&mut self, mut process: Process, first: &ToAppend) -> Result<(), Stopped> {
        let Writer { epoch, id } = process.writer;
        let records = std::slice::from_ref(&first.record);
        match process
            .journal
            .append(first.expected, process.writer, records)
        {
            Append::Committed { tail } => {
                self.becomes_durable(first.expected.get(), epoch, id, &first.record);
                process.owner.durable(tail);
            }
            Append::Conflict { tail } => {
                return Err(Stopped::Broken(format!("a conflict at {tail}")));
            }
            Append::Refused(refusal) => {
                self.fault(Fault::RefusedAppend, self.this_master());
                return Err(Stopped::Again(refusal.to_string()));
            }
            Append::Unknown(fault) => return Err(Stopped::Again(fault.to_string())),
        }
        for batch in empty(&process.batches) {
            self.master.store.push(batch);
        }
        process.leads = true;
        process.since = self.ledger.moment();
        self.master.process = Some(process);
        Ok(())
    }

    fn owner_options(&self) -> OwnerOptions {
        OwnerOptions {
            lease_ttl: Duration::from_micros(self.options.lease_ttl),
            term: Duration::from_micros(self.options.term()),
            margin: Duration::from_micros(self.options.margin()),
            lag_max: self.options.lag_max,
            ..OwnerOptions::default()
        }
    }

    /// Everything that was durable is there, unchanged; what nobody was told of may be, too.
    fn audit(&mut self, journal: &dyn Journal) -> Result<(), Stopped> {
        let (first, tail, known) = (journal.first(), journal.tail(), self.ledger.tail());
        if tail.get() < known {
            let what = format!("{known} records were durable, the journal ends at {tail}");
            return Err(Stopped::Broken(what));
        }
        let mut position = first;
        while position < tail {
            for entry in read(journal, position)? {
                let place = entry.position.get();
                if place >= known {
                    let payload = Bytes::copy_from_slice(&entry.payload);
                    self.becomes_durable(place, entry.epoch, entry.writer_id, &payload);
                } else if !self.ledger.is_record(&entry) {
                    let what = format!("the record at {place} is another one now");
                    return Err(Stopped::Broken(what));
                }
                position = entry.position.advance(1);
            }
        }
        Ok(())
    }

    /// Applies what the journal has beyond the store, and gives it to the store.
    fn replay(&mut self, journal: &dyn Journal, state: &mut State) -> Result<(), Stopped> {
        let mut position = self.master.store.position();
        if self.mutant == Some(Mutant::RecordReplayedTwice) && position > journal.first() {
            position = Position::new(position.get() - 1);
        }
        while position < journal.tail() {
            let entries = read(journal, position)?;
            for entry in entries {
                let events = record::decode(&entry.payload)
                    .map_err(|error| Stopped::Broken(format!("replay: {error}")))?;
                for event in &events {
                    capataz_engine::apply(state, event);
                }
                position = entry.position.advance(1);
                self.master.store.push(Batch {
                    end: position,
                    events: Arc::new(events),
                    entries: Some(state.take_dirty()),
                    bytes: entry.payload.len(),
                });
            }
        }
        self.master.store.commit();
        Ok(())
    }
}

/// How the journal is opened.
pub(crate) fn file_options(segment_bytes: u64) -> FileOptions {
    FileOptions {
        segment_bytes,
        new_id: JournalId::from_bytes(*b"capataz-simulate"),
    }
}

fn read(journal: &dyn Journal, from: Position) -> Result<Vec<capataz_journal::Entry>, Stopped> {
    journal
        .read(from, REPLAY_BYTES)
        .map_err(|error| match error {
            ReadError::Io { .. } => Stopped::Again(error.to_string()),
            error => Stopped::Broken(format!("the journal cannot be read back: {error}")),
        })
}

//! Making sure: the store is synced and read back before the journal may be trimmed below it.

use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;

use capataz_engine::TaskId;
use capataz_journal::Position;
use rusqlite::Connection;

use super::aside::with_suffix;
use super::bodies::{self, BodyError};
use super::database::{self, Fault};
use super::entries::{self, LoadError};
use super::meta::Meta;
use super::paced;
use super::project::{ProjectError, Projector};

/// Entries of each of the two tables that one verification reads, with the bodies that belong to
/// them: a few tens of milliseconds. A store with fewer is verified as a whole, its seal included;
/// in a larger one each verification goes on where the last one ended.
pub(super) const VERIFIED_ENTRIES: usize = 10_000;

/// Bytes of bodies that one verification reads; it ends early then.
const VERIFIED_BYTES: usize = 32 << 20;
/// Bytes of WAL from which a checkpoint waits for readers, so that the WAL can begin anew: it grows
/// for as long as any two reads overlap.
const WAL_BYTES: u64 = 256 << 20;

/// What was found wrong.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The file stands elsewhere than it was put.
    #[error("expected position {expected}, read {got:?}")]
    Position {
        /// Where it was put.
        expected: Position,
        /// What it says; `None` when that fails its checksum.
        got: Option<Position>,
    },
    /// An entry, or the sum of all.
    #[error(transparent)]
    Entries(#[from] LoadError),
    /// The body of a live task.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl From<Fault> for VerifyError {
    fn from(fault: Fault) -> VerifyError {
        VerifyError::Entries(fault.into())
    }
}

/// Where the next verification goes on.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    pub(super) task: i64,
    pub(super) other: Vec<u8>,
}

impl Projector {
    /// Syncs the store, moves its WAL into the file, and reads back where it stands and a bounded
    /// part of what is in it. Returns the position below which the journal may be trimmed; `None`
    /// while nothing has been projected.
    ///
    /// What is read back may come from the kernel's cache: this finds what was written wrongly or
    /// damaged since, not a sector that goes bad later.
    pub fn checkpoint(&mut self) -> Result<Option<Position>, ProjectError> {
        self.empty_wal()?;
        self.verify()?;
        let position = self.meta.position;
        Ok((position > Position::ZERO).then_some(position))
    }

    /// After a commit: empties a WAL that has grown by its limit since that was done last. When
    /// there is no room for it in the file, the next commits try again.
    pub(super) fn empty_large_wal(&mut self) -> Result<(), ProjectError> {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        if pages < self.wal_tried {
            // It has begun anew.
            self.wal_tried = 0;
        }
        if pages - self.wal_tried < self.wal_limit {
            return Ok(());
        }
        self.wal_tried = pages;
        match self.empty_wal() {
            Err(ProjectError::NoSpace { .. }) => Ok(()),
            done => done,
        }
    }

    /// Syncs the WAL, moves it into the file as far as readers allow, and syncs that.
    ///
    /// SQLite would do the same, with both syncs in one go each, while the journal waits.
    fn empty_wal(&mut self) -> Result<(), ProjectError> {
        let wal = with_suffix(&self.path, "-wal");
        let log = File::open(&wal).and_then(|log| paced::sync(&log).map(|()| log));
        let log = log.and_then(|log| File::open(self.dir())?.sync_all().map(|()| log));
        let log = log.map_err(|error| self.unsynced(error))?;
        self.set_synchronous("off")?;
        let moved = self.wal_checkpoint("PASSIVE");
        // The WAL has it all and is not written to before this is done.
        let synced = paced::sync(&self.file);
        self.set_synchronous("normal")?;
        synced.map_err(|error| self.unsynced(error))?;
        moved?;
        match log.metadata() {
            Ok(log) if log.len() > WAL_BYTES => self.wal_checkpoint("TRUNCATE"),
            _ => Ok(()),
        }
    }

    fn wal_checkpoint(&mut self, mode: &str) -> Result<(), ProjectError> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let done = self.connection.query_row(&sql, [], |_| Ok(()));
        done.map_err(|error| self.failure(error))
    }

    fn set_synchronous(&mut self, when: &str) -> Result<(), ProjectError> {
        let set = self.connection.pragma_update(None, "synchronous", when);
        set.map_err(|error| self.failure(error))
    }

    fn unsynced(&self, cause: io::Error) -> ProjectError {
        let position = self.meta.position;
        ProjectError::Unsynced { position, cause }
    }

    fn verify(&mut self) -> Result<(), ProjectError> {
        let position = self.meta.position;
        let verified = match database::open_reader(&self.path) {
            Ok(connection) => verify(&connection, &self.meta, &mut self.rounds),
            Err(error) => Err(Fault::from(error).into()),
        };
        verified.map_err(|cause| ProjectError::Unverified { position, cause })
    }
}

fn verify(
    connection: &Connection,
    expected: &Meta,
    rounds: &mut Rounds,
) -> Result<(), VerifyError> {
    let got = Meta::read(connection).map_err(Fault::from)?;
    if got != Some(*expected) {
        let (expected, got) = (expected.position, got.map(|meta| meta.position));
        return Err(VerifyError::Position { expected, got });
    }
    if expected.entries <= VERIFIED_ENTRIES as u64 {
        entries::check_seal(connection, expected)?;
    }
    entries::check_others(connection, &mut rounds.other)?;
    let mut bytes = 0;
    for task in entries::check_tasks(connection, &mut rounds.task)? {
        bytes += bodies::body(connection, TaskId(task as u64))?.len();
        if bytes > VERIFIED_BYTES {
            rounds.task = task;
            break;
        }
    }
    Ok(())
}

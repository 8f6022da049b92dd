//! The projector: the one writer of a store.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use capataz_journal::Position;
use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::batch::Batch;
use super::checkpoint::{Rounds, VerifyError};
use super::database::{Fault, WAL_PAGES};
use super::entries;
use super::graphs::Graphs;
use super::meta::Meta;
use super::retain::Retained;
use super::tally::TagIds;
use super::work::Work;

/// Events after which a transaction ends at the next commit point: it bounds the memory of one,
/// and how long readers' snapshots fall behind.
const TRANSACTION_EVENTS: usize = 50_000;

/// Why batches were not projected. All of them are kept, the transaction was taken back, and
/// [`Projector::project`] may be called again, with nothing or with more.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no room; make some and try again.
    #[error("the store has no room at position {position}")]
    NoSpace {
        /// Where the store stays.
        position: Position,
        /// What SQLite says.
        #[source]
        cause: Fault,
    },
    /// The store was changed by somebody else, who must be stopped first: two processes share a
    /// directory, or a second projector was made.
    #[error("expected the store at position {expected}, found it at {found:?}")]
    OtherWriter {
        /// Where this projector left it.
        expected: Position,
        /// Where it is; `None` when its record of that is damaged.
        found: Option<Position>,
    },
    /// What was written is not what is read back: the journal must not be trimmed.
    #[error("the store at position {position} fails its verification: {cause}")]
    Unverified {
        /// Where the store stays.
        position: Position,
        /// What is wrong.
        #[source]
        cause: VerifyError,
    },
    /// What was written may not be on the disk. Nothing may be written on top of it: whoever opens
    /// the store next finds out what is there.
    #[error("the store at position {position} cannot be synced: {cause}")]
    Unsynced {
        /// Where the store stands.
        position: Position,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// SQLite failed, or a row that is to be changed is damaged. Trying again will not help when
    /// it is damage.
    #[error("the store stays at position {position}: {cause}")]
    Fault {
        /// Where the store stays.
        position: Position,
        /// Why.
        #[source]
        cause: Fault,
    },
}

/// Applies batches to the store, in the order of the journal.
#[derive(Debug)]
pub struct Projector {
    dir: PathBuf,
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
    /// The store's file, to sync it. To close a file gives up all locks that the process has on it,
    /// so this is open for as long as the connection.
    pub(super) file: File,
    /// Pages in the WAL after the last commit.
    pub(super) wal_pages: Arc<AtomicU32>,
    /// Their number when the WAL was to be emptied last.
    pub(super) wal_tried: u32,
    /// By how many more it is emptied again; a constant but for tests.
    pub(super) wal_limit: u32,
    pub(super) meta: Meta,
    pub(super) tags: TagIds,
    graphs: Graphs,
    /// Batches that no transaction has taken in yet.
    pending: Vec<Batch>,
    pub(super) rounds: Rounds,
    pub(super) retained: Retained,
}

impl Projector {
    pub(super) fn new(
        dir: PathBuf,
        path: PathBuf,
        file: File,
        mut connection: Connection,
        meta: Meta,
    ) -> rusqlite::Result<Projector> {
        let wal_pages = Arc::new(AtomicU32::new(0));
        let pages_now = Arc::clone(&wal_pages);
        // SQLite empties no WAL by itself where there is a hook.
        connection.wal_hook(Some(move |_: &mut Wal, pages: c_int| {
            pages_now.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Projector {
            dir,
            path,
            connection,
            file,
            wal_pages,
            wal_tried: 0,
            wal_limit: WAL_PAGES,
            meta,
            tags: TagIds::default(),
            graphs: Graphs::default(),
            pending: Vec::new(),
            rounds: Rounds::default(),
            retained: Retained::default(),
        })
    }

    /// The namespace's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the store stands: what a reader sees.
    pub fn position(&self) -> Position {
        self.meta.position
    }

    /// Bytes of batches that are kept and not in the store yet, by [`Batch::bytes`].
    pub fn pending_bytes(&self) -> usize {
        self.pending.iter().map(|batch| batch.bytes).sum()
    }

    /// Takes over `batches`, which follow those given before, and applies them up to the last one
    /// with entries, in one transaction or, if they are many, in a few. Returns the new position.
    /// Later batches are kept for the next call.
    pub fn project(
        &mut self,
        batches: impl IntoIterator<Item = Batch>,
    ) -> Result<Position, ProjectError> {
        self.pending.extend(batches);
        while let Some(count) = next_transaction(&self.pending) {
            self.begin()?;
            let meta = self.transact(count);
            self.meta = meta.map_err(|error| self.roll_back(error))?;
            self.pending.drain(..count);
            self.empty_large_wal()?;
        }
        Ok(self.meta.position)
    }

    /// Begins a transaction on what this projector left.
    pub(super) fn begin(&mut self) -> Result<(), ProjectError> {
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
        let found = begun.and_then(|()| Meta::read(&self.connection));
        let found = found.map_err(|error| self.roll_back(error))?;
        if found == Some(self.meta) {
            return Ok(());
        }
        // Nothing was written that could be lost, and the error to report is known.
        let _ = self.connection.execute_batch("ROLLBACK");
        let expected = self.meta.position;
        let found = found.map(|meta| meta.position);
        Err(ProjectError::OtherWriter { expected, found })
    }

    fn transact(&mut self, count: usize) -> rusqlite::Result<Meta> {
        let batches = &self.pending[..count];
        let connection = &self.connection;
        let mut meta = self.meta;
        let mut work = Work::new(meta.next_task, meta.epoch);
        let events = || batches.iter().flat_map(|batch| batch.events.iter());
        work.load(connection, &mut self.graphs, events())?;
        for event in events() {
            work.fold(event);
        }
        work.flush(connection, &mut self.tags)?;
        meta.next_audit = work.flush_runs(connection, &mut self.graphs, meta.next_audit)?;
        entries::write(connection, &mut meta, self.meta.next_task, batches)?;
        meta.position = batches.last().map_or(meta.position, |batch| batch.end);
        meta.epoch = work.epoch;
        meta.next_task = work.next_task;
        meta.write(connection)?;
        connection.execute_batch("COMMIT")?;
        Ok(meta)
    }

    pub(super) fn roll_back(&mut self, error: rusqlite::Error) -> ProjectError {
        self.tags.forget();
        let mut cause = error;
        // SQLite may have ended the transaction by itself.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            cause = error;
        }
        self.failure(cause)
    }

    pub(super) fn failure(&self, error: rusqlite::Error) -> ProjectError {
        let position = self.meta.position;
        match Fault::from(error) {
            cause @ Fault::NoSpace(_) => ProjectError::NoSpace { position, cause },
            cause => ProjectError::Fault { position, cause },
        }
    }
}

/// How many of the batches the next transaction takes: up to the first commit point after enough
/// events, else up to the last commit point. `None` when there is none.
fn next_transaction(batches: &[Batch]) -> Option<usize> {
    let (mut events, mut last) = (0, None);
    for (at, batch) in batches.iter().enumerate() {
        events += batch.events.len();
        if batch.entries.is_some() {
            last = Some(at + 1);
            if events >= TRANSACTION_EVENTS {
                break;
            }
        }
    }
    last
}

//! Opening a store: what is refused, and why.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use capataz_engine::State;
use capataz_journal::{JournalId, Position};
use rusqlite::Connection;

use super::database::{self, Fault};
use super::entries::LoadError;
use super::load;
use super::meta::Meta;
use super::project::Projector;
use super::reader::Reader;
use super::schema;

/// The store's file in the namespace's directory.
pub(super) const FILE: &str = "store.db";

/// How a store is used.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections that are kept open for reading; more are opened when they are needed and closed
    /// again.
    pub idle_readers: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { idle_readers: 4 }
    }
}

/// A store that was opened, or made.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Where it stands: the journal is replayed from here. Zero for a new one.
    pub position: Position,
}

/// Why a store was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It belongs to another journal.
    #[error("{path} belongs to journal {got}, expected {expected}")]
    OtherJournal {
        /// The file.
        path: PathBuf,
        /// The namespace's journal.
        expected: JournalId,
        /// The one that the store was made from.
        got: JournalId,
    },
    /// Another version of Capataz wrote it.
    #[error("{path} has format {got}, this version reads {expected}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What this version reads.
        expected: i64,
        /// What the file says.
        got: i64,
    },
    /// It is an SQLite file, but no store.
    #[error("{path} is no store of Capataz: its application id is {got:#x}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it says.
        got: i64,
    },
    /// It does not say where it stands, or its checksum says that this is not what was written.
    #[error("{path} is damaged: its record of the position is missing or fails its checksum")]
    NoPosition {
        /// The file.
        path: PathBuf,
    },
    /// Its rows and indexes do not belong together.
    #[error("{path} is damaged: {found}")]
    Torn {
        /// The file.
        path: PathBuf,
        /// What SQLite found first.
        found: String,
    },
    /// The system does not open it a second time, to sync it.
    #[error("{path} cannot be opened: {cause}")]
    Unopened {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// SQLite cannot open it.
    #[error("{path}: {fault}")]
    Fault {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        fault: Fault,
    },
}

/// A store whose position its journal cannot go on from.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// The journal is older than the store: one of them was exchanged, or the journal lost records.
    #[error("the store is at position {store}, but the journal ends at {tail}")]
    BeyondTail {
        /// The store's.
        store: Position,
        /// The journal's end.
        tail: Position,
    },
    /// Records between the two are gone.
    #[error("the store is at position {store}, but the journal begins at {first}")]
    BelowTrim {
        /// The store's.
        store: Position,
        /// The first record that the journal has.
        first: Position,
    },
}

/// Whether a journal that has the records from `first` up to `tail` can bring a store at `store`
/// up to date.
pub fn check_position(
    store: Position,
    first: Position,
    tail: Position,
) -> Result<(), PositionError> {
    if store > tail {
        return Err(PositionError::BeyondTail { store, tail });
    }
    if store < first {
        return Err(PositionError::BelowTrim { store, first });
    }
    Ok(())
}

impl OpenError {
    /// Whether the file is not what was written, so that a journal which reaches back to its first
    /// record may make the store anew once this one was [set aside](super::set_aside).
    pub fn is_damage(&self) -> bool {
        match self {
            OpenError::NoPosition { .. } | OpenError::Torn { .. } => true,
            OpenError::Fault { fault, .. } => matches!(fault, Fault::Damaged(_)),
            OpenError::OtherJournal { .. }
            | OpenError::Unopened { .. }
            | OpenError::Format { .. }
            | OpenError::Foreign { .. } => false,
        }
    }
}

/// An open store: what it was when it was opened, and the way to its two sides. One
/// [`Projector`] writes, any number of [`Reader`]s read.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    path: PathBuf,
    meta: Meta,
    options: Options,
}

impl Store {
    /// Opens the store in `dir`, which must exist, or makes an empty one at position zero. The
    /// caller holds the directory's lock: a store has one process.
    pub fn open(dir: &Path, journal: JournalId, options: Options) -> Result<Opened, OpenError> {
        let path = dir.join(FILE);
        let connection = database::open_writer(&path).map_err(|error| OpenError::Fault {
            path: path.clone(),
            fault: error.into(),
        })?;
        let meta = identify(&path, &connection, journal)?;
        let dir = dir.to_owned();
        let store = Store {
            dir,
            path,
            meta,
            options,
        };
        let position = store.meta.position;
        Ok(Opened { store, position })
    }

    /// Restores the engine's state as of [`Opened::position`] into `state`, which must be new.
    /// Nothing has been projected yet.
    pub fn load_entries(&self, state: &mut State) -> Result<(), LoadError> {
        load::load(&self.path, &self.meta, state)
    }

    /// The writing side. A store has one at a time: of two, one fails with its next transaction.
    pub fn projector(&self) -> Result<Projector, OpenError> {
        let fault = |error: rusqlite::Error| OpenError::Fault {
            path: self.path.clone(),
            fault: error.into(),
        };
        let connection = database::open_writer(&self.path).map_err(fault)?;
        let meta = Meta::read(&connection).map_err(fault)?;
        let meta = meta.ok_or_else(|| OpenError::NoPosition {
            path: self.path.clone(),
        })?;
        let (dir, path) = (self.dir.clone(), self.path.clone());
        let file = File::open(&path).map_err(|cause| OpenError::Unopened {
            path: path.clone(),
            cause,
        })?;
        Projector::new(dir, path, file, connection, meta).map_err(fault)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The reading side.
    pub fn reader(&self) -> Reader {
        Reader::new(self.path.clone(), self.options.idle_readers)
    }
}

/// Finds out what the file is; an empty one becomes a store.
fn identify(path: &Path, connection: &Connection, journal: JournalId) -> Result<Meta, OpenError> {
    let fault = |error: rusqlite::Error| OpenError::Fault {
        path: path.to_owned(),
        fault: error.into(),
    };
    let objects: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(fault)?;
    if objects == 0 {
        return create(connection, journal).map_err(fault);
    }
    let got: i64 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(fault)?;
    let path = path.to_owned();
    if got != schema::APPLICATION_ID {
        return Err(OpenError::Foreign { path, got });
    }
    // The format comes first: another one may have another `meta`.
    let got: i64 = connection
        .query_row("SELECT format FROM meta", [], |row| row.get(0))
        .map_err(fault)?;
    if got != schema::FORMAT {
        let expected = schema::FORMAT;
        return Err(OpenError::Format {
            path,
            expected,
            got,
        });
    }
    let Some(meta) = Meta::read(connection).map_err(fault)? else {
        return Err(OpenError::NoPosition { path });
    };
    if meta.journal != journal {
        let (expected, got) = (journal, meta.journal);
        return Err(OpenError::OtherJournal {
            path,
            expected,
            got,
        });
    }
    Ok(meta)
}

fn create(connection: &Connection, journal: JournalId) -> rusqlite::Result<Meta> {
    let meta = Meta::new(journal);
    let transaction = connection.unchecked_transaction()?;
    schema::create(&transaction)?;
    meta.write(&transaction)?;
    transaction.commit()?;
    Ok(meta)
}

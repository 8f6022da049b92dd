//! What attempts print. Logs are not journaled: they have a file of their own, and when that is
//! damaged it is set aside and a new one begun, because nothing but old output depends on it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use capataz_api::limits::LOG_BYTES;
use capataz_api::proto::LogStream;
use capataz_engine::{Attempt, Key, TaskId};
use rusqlite::{Connection, params};

use super::aside::{SetAsideError, move_aside};
use super::database::{self, Fault};

pub(super) const FILE: &str = "logs.db";
const FORMAT: i64 = 1;
/// Attempts whose size is remembered, so that not every chunk has to ask.
const SIZES_REMEMBERED: usize = 65_536;

const TABLE: &str = "CREATE TABLE chunk (
        key INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        stream INTEGER NOT NULL,
        start INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (key, attempt, stream, start)
    )";

/// A piece of what an attempt printed: whose, which stream, the place of its first byte in that
/// stream, and the bytes.
pub type LogPiece<D> = (Key, Attempt, LogStream, u64, D);

/// What an attempt printed, as far as it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// Its stdout, pieces joined; a gap is simply missing.
    pub stdout: Vec<u8>,
    /// Its stderr.
    pub stderr: Vec<u8>,
    /// The limit was reached: there was more.
    pub cut: bool,
}

/// Why logs were not kept or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// SQLite failed.
    #[error("logs: {0}")]
    Fault(#[from] Fault),
    /// A damaged file could not be moved out of the way.
    #[error("the damaged logs cannot be set aside: {0}")]
    Aside(#[from] SetAsideError),
}

impl From<rusqlite::Error> for LogError {
    fn from(error: rusqlite::Error) -> LogError {
        LogError::Fault(error.into())
    }
}

/// Keeps logs, up to [`LOG_BYTES`] of each attempt. Cheap to clone; every call blocks.
#[derive(Clone, Debug)]
pub struct LogStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    /// Bytes that attempts have, for those written to lately.
    sizes: HashMap<(Key, Attempt), usize>,
}

impl LogStore {
    /// Opens the logs in `dir`, or begins new ones. Damaged ones are set aside.
    pub fn open(dir: &Path) -> Result<LogStore, LogError> {
        let path = dir.join(FILE);
        let connection = match connect(&path) {
            Err(LogError::Fault(Fault::Damaged(error))) => {
                let aside = move_aside(&path)?;
                tracing::warn!(%error, aside = %aside.display(), "the logs begin anew");
                connect(&path)?
            }
            other => other?,
        };
        let inner = Inner {
            connection,
            sizes: HashMap::new(),
        };
        Ok(LogStore {
            inner: Arc::new(Mutex::new(inner)),
        })
    }

    /// Keeps pieces in one transaction. A piece that is there already changes nothing, what is
    /// over the limit of its attempt is dropped. Not synced: a power loss may take the last ones.
    pub fn append<D: AsRef<[u8]>>(&self, pieces: &[LogPiece<D>]) -> Result<(), LogError> {
        self.lock().append(pieces)
    }

    /// What an attempt printed.
    pub fn read(&self, key: Key, attempt: Attempt) -> Result<Logs, LogError> {
        let inner = self.lock();
        let sql = "SELECT stream, start, data FROM chunk WHERE key = ? AND attempt = ?
            ORDER BY stream, start";
        let mut statement = inner.connection.prepare_cached(sql)?;
        let mut rows = statement.query((key.to_raw() as i64, attempt))?;
        let mut logs = Logs::default();
        let mut reached = (0, 0);
        while let Some(row) = rows.next()? {
            let (stream, start): (i64, i64) = (row.get(0)?, row.get(1)?);
            let data = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            // Pieces may overlap when a worker reconnected in between.
            let known = if reached.0 == stream {
                reached.1 - start
            } else {
                0
            };
            let fresh = data.get(known.max(0) as usize..).unwrap_or_default();
            match stream == LogStream::Stderr as i64 {
                true => logs.stderr.extend(fresh),
                false => logs.stdout.extend(fresh),
            }
            reached = (stream, start + data.len() as i64);
        }
        logs.cut = logs.stdout.len() + logs.stderr.len() >= LOG_BYTES;
        Ok(logs)
    }

    /// Forgets what tasks printed, their elements included.
    pub fn remove(&self, tasks: &[TaskId]) -> Result<(), LogError> {
        let mut inner = self.lock();
        inner.sizes.clear();
        let transaction = inner.connection.unchecked_transaction()?;
        for task in tasks {
            let end = TaskId(task.0 + 1).key().to_raw() as i64;
            let sql = "DELETE FROM chunk WHERE key >= ? AND key < ?";
            transaction
                .prepare_cached(sql)?
                .execute((task.key().to_raw() as i64, end))?;
        }
        Ok(transaction.commit()?)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A thread that panicked left an open transaction at worst, which SQLite reports.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append<D: AsRef<[u8]>>(&mut self, pieces: &[LogPiece<D>]) -> Result<(), LogError> {
        let Inner { connection, sizes } = self;
        if sizes.len() > SIZES_REMEMBERED {
            sizes.clear();
        }
        let result = write(connection, sizes, pieces);
        if result.is_err() {
            sizes.clear();
        }
        Ok(result?)
    }
}

fn write<D: AsRef<[u8]>>(
    connection: &Connection,
    sizes: &mut HashMap<(Key, Attempt), usize>,
    pieces: &[LogPiece<D>],
) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    let sql = "INSERT OR IGNORE INTO chunk (key, attempt, stream, start, data)
        VALUES (?, ?, ?, ?, ?)";
    let mut insert = transaction.prepare_cached(sql)?;
    for (key, attempt, stream, start, data) in pieces {
        let size = match sizes.entry((*key, *attempt)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(size_of(&transaction, *key, *attempt)?)
            }
        };
        let data = data.as_ref();
        let kept = &data[..data.len().min(LOG_BYTES.saturating_sub(*size))];
        if kept.is_empty() {
            continue;
        }
        let stream = *stream as i64;
        let values = params![key.to_raw() as i64, attempt, stream, *start as i64, kept];
        if insert.execute(values)? > 0 {
            *size += kept.len();
        }
    }
    drop(insert);
    transaction.commit()
}

fn size_of(connection: &Connection, key: Key, attempt: Attempt) -> rusqlite::Result<usize> {
    let sql = "SELECT coalesce(sum(length(data)), 0) FROM chunk WHERE key = ? AND attempt = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let size: i64 = statement.query_row((key.to_raw() as i64, attempt), |row| row.get(0))?;
    Ok(size as usize)
}

fn connect(path: &Path) -> Result<Connection, LogError> {
    let connection = database::open_writer(path)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != FORMAT {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(TABLE)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
    }
    Ok(connection)
}

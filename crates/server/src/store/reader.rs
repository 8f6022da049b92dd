//! Reading the store beside the projector: always what the last transaction committed.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::database::{self, Fault};

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// SQLite failed, or what is there is not what was written.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> ReadError {
        ReadError::Fault(error.into())
    }
}

/// Reads a store. Cheap to clone; every call blocks and takes a connection of its own.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    keep: usize,
}

impl Reader {
    pub(super) fn new(path: PathBuf, keep: usize) -> Reader {
        let idle = Mutex::new(Vec::new());
        Reader {
            pool: Arc::new(Pool { path, idle, keep }),
        }
    }

    /// A connection, given back when it is dropped.
    pub(super) fn connection(&self) -> rusqlite::Result<Lent<'_>> {
        let idle = self.pool.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => database::open_reader(&self.pool.path)?,
        };
        Ok(Lent {
            pool: &self.pool,
            connection: Some(connection),
        })
    }
}

impl Pool {
    /// A thread that panicked with the lock left a list of connections, which is still one.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Lent<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
            .as_ref()
            .expect("it is taken out only by drop")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut idle = self.pool.lock();
        if idle.len() < self.pool.keep {
            idle.extend(self.connection.take());
        }
    }
}

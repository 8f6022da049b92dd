//! SQLite connections as the store wants them, and what may go wrong with any of them.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// How long a statement waits for a lock. Only a checkpoint that cleans the WAL takes one that a
/// reader can see.
const BUSY: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection: all that the store uses, with room.
const STATEMENTS: usize = 64;
/// Page cache of the writing connection, in KiB: the inner pages of a store of 100 million tasks.
const WRITE_CACHE_KIB: i64 = 64 * 1024;
/// Page cache of a reading connection, in KiB. There are several; the kernel's cache is behind.
const READ_CACHE_KIB: i64 = 8 * 1024;
/// Pages in the WAL after which a commit moves them into the file, as far as readers allow. A busy
/// server reaches it every few seconds; more would make a restart after a crash read more.
pub(super) const WAL_PAGES: u32 = 16_384;
/// Bytes in a page, of a new file only. Larger pages were slower for updates in random order.
const PAGE_BYTES: i64 = 4096;

/// A failure of SQLite or of the file system below it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file is not what was written to it.
    #[error("the store is damaged: {0}")]
    Damaged(#[source] rusqlite::Error),
    /// There is no room to write.
    #[error("there is no room for the store: {0}")]
    NoSpace(#[source] rusqlite::Error),
    /// Anything else: a file that cannot be opened, read, written or locked.
    #[error("the store cannot be used: {0}")]
    Failed(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Fault::Damaged(error),
            Some(ErrorCode::DiskFull) => Fault::NoSpace(error),
            // The index of the WAL is a file too.
            _ if has_no_room_for_index(&error) => Fault::NoSpace(error),
            // A value of a type that was never written is damage that SQLite cannot see.
            None if is_conversion(&error) => Fault::Damaged(error),
            _ => Fault::Failed(error),
        }
    }
}

fn has_no_room_for_index(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

fn is_conversion(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
    )
}

/// Opens the file for its only writer, and creates it when it is not there.
pub(super) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection, WRITE_CACHE_KIB)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A commit that a power loss takes back is projected again from the journal.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    Ok(connection)
}

/// Opens the file for reading. Memory mapping is not used: a bad sector would then be a signal
/// that ends the process, not an error.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection, READ_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn prepare(connection: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

//! Looks whether rows and indexes still belong together, which no single row can tell: a row that
//! an index has lost is in no list.

use rusqlite::Connection;

use super::database::{self, Fault};
use super::open::{OpenError, Store};

/// A store up to this size is looked at as a whole when a server starts, which takes some tenth of a
/// second. Of a larger one only what is read is checked.
const WHOLE_BYTES: i64 = 32 << 20;

impl Store {
    /// Compares all rows with all indexes, in a store that is small enough.
    ///
    /// # Errors
    ///
    /// [`OpenError::Torn`] says what does not fit; [`OpenError::Fault`] when it cannot be read.
    pub fn check_whole(&self) -> Result<(), OpenError> {
        let path = self.path();
        let fault = |error: rusqlite::Error| OpenError::Fault {
            path: path.to_owned(),
            fault: Fault::from(error),
        };
        let connection = database::open_reader(path).map_err(fault)?;
        match first_flaw(&connection).map_err(fault)? {
            None => Ok(()),
            Some(found) => Err(OpenError::Torn {
                path: path.to_owned(),
                found,
            }),
        }
    }
}

fn first_flaw(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("page_count")? * number("page_size")? > WHOLE_BYTES {
        return Ok(None);
    }
    let check = "PRAGMA integrity_check(1)";
    let found: String = connection.query_row(check, [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

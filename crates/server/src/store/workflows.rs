//! Workflows and their versions, as they were registered or followed.

use bytes::Bytes;
use capataz_engine::{Timestamp, WorkflowId};
use rusqlite::{Connection, OptionalExtension};

use super::graphs::read_version;
use super::reader::{ReadError, Reader};

/// A workflow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkflowRecord {
    /// Its name.
    pub name: String,
    /// The version that new runs follow; none when it is not registered any more.
    pub registered: Option<u32>,
    /// Its versions, the newest first, at most as many as were asked for.
    pub versions: Vec<VersionRecord>,
}

/// A version of a workflow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionRecord {
    /// Its number, from 1.
    pub number: u32,
    /// The hash of its definition.
    pub content: u128,
    /// When it came.
    pub stored_at: Timestamp,
    /// Runs of it that are in the store.
    pub runs: u64,
}

impl Reader {
    /// Names of registered workflows in their order, from after one on, at most `limit`.
    pub fn registered_workflows(
        &self,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, ReadError> {
        let connection = self.connection()?;
        let sql = "SELECT DISTINCT name FROM workflow
            WHERE name > ? AND registered IS NOT NULL ORDER BY name LIMIT ?";
        let mut statement = connection.prepare_cached(sql)?;
        let names = statement.query_map((after, limit as i64), |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    /// A workflow with its last `versions`; `None` when the store does not have it.
    pub fn workflow(
        &self,
        name: &str,
        versions: usize,
    ) -> Result<Option<WorkflowRecord>, ReadError> {
        let connection = self.connection()?;
        let transaction = connection.unchecked_transaction()?;
        let Some((id, registered)) = last_of(&transaction, name)? else {
            return Ok(None);
        };
        let sql = "SELECT number, content, stored_at, runs FROM workflow_version
            WHERE workflow = ? ORDER BY number DESC LIMIT ?";
        let mut statement = transaction.prepare_cached(sql)?;
        let found = statement.query_map((id.0, versions as i64), |row| {
            Ok(VersionRecord {
                number: row.get(0)?,
                content: u128::from_be_bytes(row.get(1)?),
                stored_at: Timestamp(row.get::<_, i64>(2)? as u64),
                runs: row.get::<_, i64>(3)?.max(0) as u64,
            })
        })?;
        let versions = found.collect::<rusqlite::Result<_>>()?;
        Ok(Some(WorkflowRecord {
            name: name.to_owned(),
            registered,
            versions,
        }))
    }

    /// The definition of a version, as JSON; `None` when the store does not have it.
    pub fn definition(&self, name: &str, number: u32) -> Result<Option<Bytes>, ReadError> {
        let connection = self.connection()?;
        let Some((id, _)) = last_of(&connection, name)? else {
            return Ok(None);
        };
        let found = read_version(&connection, (id, number))?;
        Ok(found.map(|(_, definition)| Bytes::from(definition)))
    }
}

/// The last workflow that had a name, and the version of it that is registered: a name that was
/// forgotten gets a new number when it comes again.
fn last_of(
    connection: &Connection,
    name: &str,
) -> rusqlite::Result<Option<(WorkflowId, Option<u32>)>> {
    let sql = "SELECT id, registered FROM workflow WHERE name = ? ORDER BY id DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([name], |row| Ok((WorkflowId(row.get(0)?), row.get(1)?)));
    found.optional()
}

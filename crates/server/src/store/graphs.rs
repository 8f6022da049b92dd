//! The graphs that runs follow: their steps' names and how many there are.

use std::collections::HashMap;
use std::sync::Arc;

use capataz_engine::{Graph, RunId, Version, WorkflowId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension};

/// Steps of graphs that are remembered between transactions: some tens of megabytes.
const STEPS_REMEMBERED: usize = 500_000;

/// A version of a workflow by its workflow and number.
pub(super) type VersionKey = (WorkflowId, u32);

/// Graphs that were looked at lately. A version never changes, so none of them is ever stale.
#[derive(Debug, Default)]
pub(super) struct Graphs {
    known: HashMap<VersionKey, Arc<Graph>>,
    steps: usize,
}

/// A graph or a definition that is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("version {1} of workflow {0} is damaged: its checksum differs")]
struct VersionDamage(u32, u32);

impl Graphs {
    /// The graph of a version; `None` for one that the store does not have.
    pub(super) fn of(
        &mut self,
        connection: &Connection,
        key: VersionKey,
    ) -> rusqlite::Result<Option<Arc<Graph>>> {
        if let Some(graph) = self.known.get(&key) {
            return Ok(Some(Arc::clone(graph)));
        }
        let graph = read_version(connection, key)?.map(|(graph, _)| graph);
        if let Some(graph) = &graph {
            self.remember(key, Arc::clone(graph));
        }
        Ok(graph)
    }

    /// Takes over a graph that the store is about to get.
    pub(super) fn remember(&mut self, key: VersionKey, graph: Arc<Graph>) {
        if self.steps > STEPS_REMEMBERED {
            self.known.clear();
            self.steps = 0;
        }
        self.steps += graph.steps.len();
        self.known.insert(key, graph);
    }
}

/// A version's graph and definition; `None` for one that the store does not have.
pub(super) fn read_version(
    connection: &Connection,
    (workflow, number): VersionKey,
) -> rusqlite::Result<Option<(Arc<Graph>, Vec<u8>)>> {
    let sql = "SELECT crc, graph, definition FROM workflow_version
        WHERE workflow = ? AND number = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row((workflow.0, number), |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    });
    let damage = VersionDamage(workflow.0, number);
    found
        .optional()?
        .map(|found| open(found, damage))
        .transpose()
}

/// What a run follows: its own version once steps were added to it.
pub(super) fn read_followed(
    connection: &Connection,
    run: RunId,
    version: VersionKey,
) -> rusqlite::Result<Option<(Arc<Graph>, Vec<u8>)>> {
    let sql = "SELECT crc, graph, definition FROM run_version WHERE run = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([run.0 as i64], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    });
    match found.optional()? {
        Some(found) => open(found, VersionDamage(version.0.0, version.1)).map(Some),
        None => read_version(connection, version),
    }
}

/// The two values of a version and their checksum, to be written.
pub(super) fn encode(version: &Version) -> (i64, Vec<u8>) {
    // Names and numbers are always written.
    let graph = postcard::to_stdvec(&version.graph).unwrap_or_default();
    (checksum(&graph, &version.definition), graph)
}

fn checksum(graph: &[u8], definition: &[u8]) -> i64 {
    i64::from(crc32c::crc32c_append(crc32c::crc32c(graph), definition))
}

fn open(
    (crc, graph, definition): (i64, Vec<u8>, Vec<u8>),
    damage: VersionDamage,
) -> rusqlite::Result<(Arc<Graph>, Vec<u8>)> {
    let read = (checksum(&graph, &definition) == crc).then(|| postcard::from_bytes(&graph).ok());
    match read.flatten() {
        Some(graph) => Ok((Arc::new(graph), definition)),
        None => Err(rusqlite::Error::FromSqlConversionFailure(
            0,
            Type::Blob,
            Box::new(damage),
        )),
    }
}

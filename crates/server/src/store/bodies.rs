//! Task bodies: encoded `TaskSpec` messages, as they were submitted.

use bytes::Bytes;
use capataz_engine::TaskId;
use rusqlite::Connection;

use super::database::Fault;
use super::reader::Reader;

/// Why bodies were not returned. A live task without its body cannot run: this is damage.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// There is none: the task was never projected, or retention removed it.
    #[error("the store has no body of task {task}")]
    Missing {
        /// Which.
        task: TaskId,
    },
    /// It is not what was submitted.
    #[error("the body of task {task} is damaged: its checksum differs")]
    Damaged {
        /// Which.
        task: TaskId,
    },
    /// SQLite failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<rusqlite::Error> for BodyError {
    fn from(error: rusqlite::Error) -> BodyError {
        BodyError::Fault(error.into())
    }
}

pub(super) fn checksum(task: TaskId, body: &[u8]) -> i64 {
    i64::from(crc32c::crc32c_append(
        crc32c::crc32c(&task.0.to_le_bytes()),
        body,
    ))
}

impl Reader {
    /// The bodies of `tasks`, in that order, each checked.
    pub fn bodies(&self, tasks: &[TaskId]) -> Result<Vec<(TaskId, Bytes)>, BodyError> {
        let connection = self.connection()?;
        tasks
            .iter()
            .map(|task| Ok((*task, body(&connection, *task)?)))
            .collect()
    }
}

/// One body, checked.
pub(super) fn body(connection: &Connection, task: TaskId) -> Result<Bytes, BodyError> {
    let mut statement = connection.prepare_cached("SELECT crc, spec FROM body WHERE id = ?")?;
    let mut rows = statement.query([task.0 as i64])?;
    let row = rows.next()?.ok_or(BodyError::Missing { task })?;
    let (crc, spec): (i64, _) = (row.get(0)?, row.get_ref(1)?);
    let spec = spec.as_blob().map_err(rusqlite::Error::from)?;
    match checksum(task, spec) == crc {
        true => Ok(Bytes::copy_from_slice(spec)),
        false => Err(BodyError::Damaged { task }),
    }
}

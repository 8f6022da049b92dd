//! How much room the store takes.

use std::fs;

use super::aside::with_suffix;
use super::project::{ProjectError, Projector};

impl Projector {
    /// Bytes in use on disk: the store's pages that hold something, its WAL, and the logs with
    /// theirs. A file never shrinks, but pages that retention freed are used again: they do not
    /// count.
    pub fn disk_bytes(&self) -> Result<u64, ProjectError> {
        let pragma = |name: &str| -> Result<u64, ProjectError> {
            let read = self
                .connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let number = read.map_err(|error| self.failure(error))?;
            Ok(u64::try_from(number).unwrap_or(0))
        };
        let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
        let logs = self.dir().join(super::logs::FILE);
        let others = [
            with_suffix(&self.path, "-wal"),
            with_suffix(&logs, "-wal"),
            logs,
        ];
        // A file that is not there takes no room.
        let bytes = |path: &_| fs::metadata(path).map_or(0, |file| file.len());
        Ok(pages * pragma("page_size")? + others.iter().map(bytes).sum::<u64>())
    }
}

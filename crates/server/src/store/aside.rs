//! Moving a store out of the way, so that the journal can rebuild it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];
/// Damaged stores kept side by side before a person has to look.
const KEPT: u32 = 100;

/// Why a store was not moved. Nothing is ever deleted.
#[derive(Debug, thiserror::Error)]
pub enum SetAsideError {
    /// A file could not be renamed.
    #[error("moving {from} to {to} failed: {source}")]
    Rename {
        /// What was to be moved.
        from: PathBuf,
        /// Where to.
        to: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// All names are taken by stores that were moved before.
    #[error("{path} has been set aside {KEPT} times already: remove some of the copies")]
    TooMany {
        /// The store.
        path: PathBuf,
    },
}

/// Renames the store in `dir`, with what SQLite keeps beside it, to `store.db.damaged-N` with the
/// first free N, and returns that name. The caller does this only when its journal reaches back to
/// the first record, so that nothing but history older than the journal is lost.
pub fn set_aside(dir: &Path) -> Result<PathBuf, SetAsideError> {
    move_aside(&dir.join(super::open::FILE))
}

pub(super) fn move_aside(path: &Path) -> Result<PathBuf, SetAsideError> {
    let free = (1..=KEPT)
        .map(|n| with_suffix(path, &format!(".damaged-{n}")))
        .find(|to| COMPANIONS.iter().all(|c| !with_suffix(to, c).exists()));
    let to = free.ok_or_else(|| SetAsideError::TooMany {
        path: path.to_owned(),
    })?;
    for companion in COMPANIONS {
        let (from, to) = (with_suffix(path, companion), with_suffix(&to, companion));
        match fs::rename(&from, &to) {
            Ok(()) => {}
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(SetAsideError::Rename { from, to, source }),
        }
    }
    Ok(to)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

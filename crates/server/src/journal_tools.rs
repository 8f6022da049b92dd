//! Looking into the journal of a server that does not start, and repairing it on purpose.

use std::path::{Path, PathBuf};

use capataz_journal::Position;
use capataz_journal::file::{self, DiskError, Inspection, RepairError, Repaired};

/// Where a namespace's journal is, below the data folder.
pub fn journal_folder(data_dir: &Path, namespace: &str) -> PathBuf {
    data_dir.join("namespaces").join(namespace).join("journal")
}

/// Reports on a namespace's journal. It changes nothing and takes no lock.
///
/// # Errors
///
/// When the folder or a file cannot be read. Damage is no error here.
pub fn inspect_journal(data_dir: &Path, namespace: &str) -> Result<Inspection, DiskError> {
    file::inspect(journal_folder(data_dir, namespace))
}

/// Ends a namespace's journal at `position`. What follows is put aside, never deleted.
///
/// # Errors
///
/// When the journal is in use, or the position is none that it can end at.
pub fn cut_journal(
    data_dir: &Path,
    namespace: &str,
    position: u64,
) -> Result<Repaired, RepairError> {
    file::repair_cut_at(journal_folder(data_dir, namespace), Position::new(position))
}

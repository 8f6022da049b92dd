//! A worker's claim on its name on this host, and what the next one of that name finds.
//!
//! The folder `STATE_DIR/NAME` holds `lock` (held while the worker lives, so that a second worker
//! of the name is refused), `guard` (who the guard is and what its processes wear) and `scratch`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Pid, geteuid};
use serde::{Deserialize, Serialize};

use super::reclaim::{ReclaimError, reclaim};
use crate::clock::Boottime;
use crate::guard::mark::Mark;
use crate::guard::start_time;

/// A folder's name is cut here, in bytes; file systems allow 255, of which escapes take their part.
const FOLDER_NAME_MAX: usize = 200;

/// Where workers keep their claims when no folder is named: in the user's runtime folder, else in
/// one of the user's own in `/tmp`.
pub fn default_state_dir() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()) {
        Some(runtime) => Path::new(&runtime).join("capataz/workers"),
        None => PathBuf::from(format!("/tmp/capataz-{}/workers", geteuid())),
    }
}

/// The right to be the worker of a name on this host. Dropped with the worker, or by the kernel.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    nonce: u64,
    _lock: Flock<File>,
}

/// Why a name could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another worker of this name lives.
    #[error("a worker named {worker:?} runs on this host already (it holds {lock})")]
    Taken {
        /// The name that was asked for.
        worker: String,
        /// The file the other worker holds.
        lock: String,
    },
    /// The folder is not this user's alone, so nothing in it can be trusted.
    #[error("{folder} must be a folder of user {user} alone, but has owner {owner}, mode {mode:o}")]
    NotPrivate {
        /// The folder in question.
        folder: String,
        /// This process's user.
        user: u32,
        /// Whom it belongs to.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// The state folder cannot be used.
    #[error("{path}: {cause}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
    /// What the earlier worker of this name left cannot be cleared away.
    #[error(transparent)]
    Leftovers(#[from] ReclaimError),
}

/// What the file `guard` says: whom to wait for, and whose processes to end.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GuardRecord {
    /// The boot in which the other numbers mean something.
    pub(super) boot: String,
    pub(super) pid: i32,
    /// Of the guard, in clock ticks since the boot: a recycled process id has another.
    pub(super) start_time: u64,
    pub(super) nonce: u64,
}

impl Claim {
    /// Claims a name, and ends what an earlier worker of that name left. Blocks until nothing of it
    /// is left, so the caller may register right after.
    pub fn take(state_dir: &Path, worker: &str) -> Result<Claim, ClaimError> {
        let folder = state_dir.join(folder_name(worker));
        let failed = |path: &Path, cause| ClaimError::Io {
            path: path.display().to_string(),
            cause,
        };
        let make = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        make.map_err(|cause| failed(&folder, cause))?;
        check_ours(&folder, 0o077)?;
        check_shared_parents(&folder)?;
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(|cause| failed(&path, cause))?;
        let lock =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(
                |(_, errno)| match errno {
                    nix::Error::EWOULDBLOCK => ClaimError::Taken {
                        worker: worker.to_owned(),
                        lock: path.display().to_string(),
                    },
                    errno => failed(&path, errno.into()),
                },
            )?;
        let claim = Claim {
            folder,
            nonce: random_nonce(),
            _lock: lock,
        };
        if let Some(record) = claim.recorded() {
            reclaim(&record)?;
        }
        claim
            .clear()
            .map_err(|cause| failed(&claim.folder, cause))?;
        Ok(claim)
    }

    /// What the processes of this incarnation wear.
    pub(super) fn nonce(&self) -> u64 {
        self.nonce
    }

    pub(super) fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    fn recorded(&self) -> Option<GuardRecord> {
        let record = serde_json::from_slice(&fs::read(self.folder.join("guard")).ok()?).ok()?;
        Some(record).filter(|record: &GuardRecord| record.boot == boot_id())
    }

    /// Writes down who the guard is; before it is told to start anything.
    pub(super) fn record(&self, guard: Pid) -> io::Result<()> {
        let start_time = start_time(guard).ok_or(io::ErrorKind::NotFound)?;
        let record = GuardRecord {
            boot: boot_id(),
            pid: guard.as_raw(),
            start_time,
            nonce: self.nonce,
        };
        let draft = self.folder.join("guard.new");
        fs::write(&draft, serde_json::to_vec(&record)?)?;
        fs::rename(draft, self.folder.join("guard"))
    }

    /// Forgets the last guard, once nothing of it is left.
    pub(super) fn clear(&self) -> io::Result<()> {
        for removed in [
            fs::remove_dir_all(self.scratch()),
            fs::remove_file(self.folder.join("guard")),
        ] {
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Refuses a folder of somebody else, and one whose mode has any of the bits `closed`.
fn check_ours(folder: &Path, closed: u32) -> Result<(), ClaimError> {
    let shown = || folder.display().to_string();
    let metadata = fs::symlink_metadata(folder).map_err(|cause| ClaimError::Io {
        path: shown(),
        cause,
    })?;
    let (user, owner, mode) = (geteuid().as_raw(), metadata.uid(), metadata.mode() & 0o7777);
    if owner != user || mode & closed != 0 || !metadata.is_dir() {
        return Err(ClaimError::NotPrivate {
            folder: shown(),
            user,
            owner,
            mode,
        });
    }
    Ok(())
}

/// Where everybody may make folders, as in `/tmp`, somebody else may have made ours first, and could
/// exchange what is in it at any time.
fn check_shared_parents(folder: &Path) -> Result<(), ClaimError> {
    let sticky = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o1000 != 0);
    let in_shared = |folder: &&Path| folder.parent().is_some_and(sticky);
    folder
        .ancestors()
        .filter(in_shared)
        .try_for_each(|folder| check_ours(folder, 0o022))
}

/// A worker's name as a folder's: other characters than the plain ones are written as `%XX`.
fn folder_name(worker: &str) -> String {
    let mut name = String::new();
    for (at, byte) in worker.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || byte == b'.' && at > 0;
        match plain {
            true => name.push(char::from(byte)),
            false => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.is_empty() {
        name.push('%');
    }
    name.truncate(FOLDER_NAME_MAX);
    name
}

/// Unlike any other guard's on this host. The standard library's hash keys are the system's random
/// numbers.
fn random_nonce() -> u64 {
    Mark::nonce_of(RandomState::new().hash_one((std::process::id(), Boottime::now())))
}

/// A name for the time since the last boot; empty where the kernel has none.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_folders_that_stay_inside() {
        assert_eq!(folder_name("host-1.a_b"), "host-1.a_b");
        assert_eq!(folder_name("../x"), "%2E.%2Fx");
        assert_eq!(folder_name(""), "%");
        assert_eq!(folder_name(&"é".repeat(100)).len(), FOLDER_NAME_MAX);
    }

    #[test]
    fn a_second_claim_of_a_name_is_refused_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let first = Claim::take(dir.path(), "w").unwrap();
        let refused = Claim::take(dir.path(), "w").unwrap_err();
        assert!(matches!(refused, ClaimError::Taken { ref worker, .. } if worker == "w"));
        Claim::take(dir.path(), "other").unwrap();
        drop(first);
        Claim::take(dir.path(), "w").unwrap();
    }

    #[test]
    fn a_folder_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        DirBuilder::new()
            .mode(0o755)
            .create(dir.path().join("w"))
            .unwrap();
        let refused = Claim::take(dir.path(), "w").unwrap_err();
        assert!(
            matches!(refused, ClaimError::NotPrivate { mode: 0o755, .. }),
            "{refused}"
        );
    }

    #[test]
    fn a_recycled_process_id_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::take(dir.path(), "w").unwrap();
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        claim.record(Pid::from_raw(other.id() as i32)).unwrap();
        let mut record = claim.recorded().unwrap();
        record.start_time -= 1;
        fs::write(
            claim.folder.join("guard"),
            serde_json::to_vec(&record).unwrap(),
        )
        .unwrap();
        drop(claim);
        Claim::take(dir.path(), "w").unwrap();
        assert_eq!(other.try_wait().unwrap(), None, "still running");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}

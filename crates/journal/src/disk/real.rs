//! A folder of a real file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock, statvfs};
use rustix::io::Errno;

use super::{Disk, DiskFile, DiskLock};

/// The most parts that one vectored write may have (`IOV_MAX` on Linux and macOS).
const MAX_PARTS: usize = 1024;

/// Payloads are nobody's business but the owner's.
const PRIVATE: u32 = 0o600;

/// How long a lock that is held is waited for: a process that was killed, or one that is between
/// fork and exec, holds it for a moment longer.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A folder of a real file system.
pub struct RealDisk {
    folder: PathBuf,
}

impl RealDisk {
    /// The folder at `path`, created with its parents, durably, when it does not exist.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = path.into();
        create_folders(&folder)?;
        Ok(Self { folder })
    }

    /// The existing folder at `path`; `NotFound` when there is none.
    pub fn existing(path: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = path.into();
        if !fs::metadata(&folder)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { folder })
    }
}

/// Makes a folder and all above it that do not exist, each of them durable in its parent.
///
/// The folder's own place is made durable also when the folder is there: whoever made it may have
/// been killed before that, and everything in it goes with it when the power does.
///
/// # Errors
///
/// A folder cannot be made, or what was made cannot be synced.
pub fn create_folders(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    let parent = match folder.parent() {
        // The root of the file system is nobody's child.
        None => return Ok(()),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
    };
    let existed = folder.is_dir();
    if !existed {
        if !parent.is_dir() {
            create_folders(parent)?;
        }
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    match File::open(parent).and_then(|parent| parent.sync_all()) {
        // An administrator made the folder for us in a place that we may not look into.
        Err(error) if existed && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

impl Disk for RealDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        options.mode(PRIVATE);
        let file = options.open(self.folder.join(name))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .open(self.folder.join(name))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // A name that is not UTF-8 is none of ours.
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        fs::create_dir(self.folder.join(name))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.folder.join(folder))?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let space = statvfs(&self.folder)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.mode(PRIVATE);
        let file = options.open(self.folder.join(name))?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Box::new(RealLock { _file: file })),
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(LOCK_PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

struct RealFile {
    file: File,
}

impl DiskFile for RealFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match self.file.read_at(&mut into[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, mut parts: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            let batch = &parts[..parts.len().min(MAX_PARTS)];
            match write_vectored_at(&self.file, batch, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    offset += count as u64;
                    IoSlice::advance_slices(&mut parts, count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        if self.size()? >= bytes {
            return Ok(());
        }
        match allocate(&self.file, bytes) {
            // A file system that cannot promise room still can hold the file.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.file.set_len(bytes),
            other => other,
        }
    }
}

#[cfg(target_os = "linux")]
fn write_vectored_at(file: &File, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pwritev(file, parts, offset)?)
}

#[cfg(not(target_os = "linux"))]
fn write_vectored_at(file: &File, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    parts
        .first()
        .map_or(Ok(0), |part| file.write_at(part, offset))
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    Ok(fallocate(file, FallocateFlags::empty(), 0, bytes)?)
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The lock goes with the file handle, also when the process dies.
struct RealLock {
    _file: File,
}

impl DiskLock for RealLock {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_with_all_above_them_and_may_be_there_already() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("a/b/c");
        for _ in 0..2 {
            create_folders(&folder).unwrap();
            assert!(folder.is_dir());
        }
        fs::write(temporary.path().join("file"), "").unwrap();
        assert!(create_folders(&temporary.path().join("file/d")).is_err());
        create_folders(Path::new("/")).unwrap();
        create_folders(Path::new("")).unwrap();
    }
}

//! The scratch folder of an attempt and the files in it that have a meaning.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use super::GuardError;
use super::frame::FileFound;
use crate::outcome::OUTPUT_BYTES_MAX;

/// A control file above this is refused, in bytes: it holds a few short lines.
const CONTROL_BYTES_MAX: usize = 64 * 1024;

/// The bits of a private folder's mode.
const PRIVATE: u32 = 0o700;

/// The folder in which this guard makes its scratch folders. One that an attempt left as it found
/// it serves the next: making and removing folders waits for the journal of a busy file system.
pub(super) struct ScratchRoot {
    folder: PathBuf,
    /// Folders that are empty and unused.
    idle: Vec<PathBuf>,
    made: u64,
    /// An empty file that all attempts without a payload share.
    no_payload: PathBuf,
    null: File,
}

impl ScratchRoot {
    pub(super) fn create(folder: &str) -> Result<ScratchRoot, GuardError> {
        let failed = |cause| GuardError::Scratch {
            folder: folder.to_owned(),
            cause,
        };
        let folder = PathBuf::from(folder);
        DirBuilder::new()
            .recursive(true)
            .mode(PRIVATE)
            .create(&folder)
            .map_err(failed)?;
        let no_payload = folder.join("no-payload");
        let mut options = OpenOptions::new();
        let empty = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o400)
            .open(&no_payload);
        empty.map_err(failed)?;
        let null = File::open("/dev/null").map_err(failed)?;
        Ok(ScratchRoot {
            folder,
            idle: Vec::new(),
            made: 0,
            no_payload,
            null,
        })
    }

    /// Finds or makes a folder, and what its attempt reads as its stdin: the payload.
    pub(super) fn make(&mut self, payload: &[u8]) -> io::Result<(Scratch, File)> {
        let folder = match self.idle.pop() {
            Some(folder) => folder,
            None => {
                self.made += 1;
                let folder = self.folder.join(self.made.to_string());
                DirBuilder::new().mode(PRIVATE).create(&folder)?;
                folder
            }
        };
        if payload.is_empty() {
            let scratch = Scratch {
                payload: self.no_payload.clone(),
                own_payload: false,
                folder,
            };
            return Ok((scratch, self.null.try_clone()?));
        }
        let path = folder.join("payload");
        let scratch = Scratch {
            payload: path,
            own_payload: true,
            folder,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let mut file = options.open(&scratch.payload)?;
        file.write_all(payload)?;
        file.rewind()?;
        Ok((scratch, file))
    }

    /// Takes back a folder once nothing of its attempt is left: what became of the output and the
    /// control file, and the folder's path when files are left in it that somebody should remove
    /// who has time for it.
    pub(super) fn take_back(&mut self, scratch: Scratch) -> (FileFound, FileFound, Option<String>) {
        if scratch.own_payload {
            let _ = fs::remove_file(&scratch.payload);
        }
        let mut found = (FileFound::Missing, FileFound::Missing);
        if !is_untouched(&scratch.folder) {
            found = (
                take_file(&scratch.output(), OUTPUT_BYTES_MAX),
                take_file(&scratch.control(), CONTROL_BYTES_MAX),
            );
            if !is_untouched(&scratch.folder) {
                let left = scratch.folder.to_string_lossy().into_owned();
                return (found.0, found.1, Some(left));
            }
        }
        self.idle.push(scratch.folder);
        (found.0, found.1, None)
    }

    /// Removes everything; called when no attempt is left. What cannot be removed is the next
    /// incarnation's, which removes the folder again.
    pub(super) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a folder is as it was made: private and empty.
fn is_untouched(folder: &Path) -> bool {
    let private = |found: fs::Metadata| found.is_dir() && found.mode() & 0o7777 == PRIVATE;
    fs::symlink_metadata(folder).is_ok_and(private)
        && fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// One attempt's folder.
pub(super) struct Scratch {
    folder: PathBuf,
    payload: PathBuf,
    own_payload: bool,
}

impl Scratch {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn payload(&self) -> &Path {
        &self.payload
    }

    pub(super) fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    pub(super) fn control(&self) -> PathBuf {
        self.folder.join("control")
    }
}

/// Reads a regular file of at most `limit` bytes and removes it. Never follows a link, and never
/// waits for the writer of a pipe: attempts choose what they put there.
fn take_file(path: &Path, limit: usize) -> FileFound {
    let mut options = OpenOptions::new();
    let file = match options
        .read(true)
        .custom_flags(O_NOFOLLOW | O_NONBLOCK)
        .open(path)
    {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return FileFound::Missing,
        Err(error) => {
            let _ = fs::remove_file(path);
            return FileFound::Unreadable(error.to_string());
        }
    };
    let found = read_file(file, limit).unwrap_or_else(|e| FileFound::Unreadable(e.to_string()));
    let _ = fs::remove_file(path);
    found
}

fn read_file(file: File, limit: usize) -> io::Result<FileFound> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(FileFound::Unreadable("it is no regular file".to_owned()));
    }
    if metadata.len() > limit as u64 {
        return Ok(FileFound::TooLarge(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(FileFound::Bytes(Bytes::from(bytes)))
}

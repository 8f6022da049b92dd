//! The scratch folder of an attempt and the files in it that have a meaning.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use super::GuardError;
use super::frame::FileFound;
use crate::executor::AttemptId;
use crate::outcome::OUTPUT_BYTES_MAX;

/// A control file above this is refused, in bytes: it holds a few short lines.
const CONTROL_BYTES_MAX: usize = 64 * 1024;

/// The folder in which this guard makes its scratch folders.
pub(super) struct ScratchRoot {
    folder: PathBuf,
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
        private_folder(true).create(&folder).map_err(failed)?;
        let no_payload = folder.join("no-payload");
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o400)
            .open(&no_payload)
            .map_err(failed)?;
        let null = File::open("/dev/null").map_err(failed)?;
        Ok(ScratchRoot {
            folder,
            no_payload,
            null,
        })
    }

    /// Makes an attempt's folder and what it reads as its stdin: the payload.
    pub(super) fn make(&self, id: AttemptId, payload: &[u8]) -> io::Result<(Scratch, File)> {
        let folder = self.folder.join(id.0.to_string());
        private_folder(false).create(&folder)?;
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
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&scratch.payload)?;
        file.write_all(payload)?;
        file.rewind()?;
        Ok((scratch, file))
    }

    /// Removes everything; called when no attempt is left. What cannot be removed is the next
    /// incarnation's, which removes the folder again.
    pub(super) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn private_folder(recursive: bool) -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(recursive).mode(0o700);
    builder
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

    /// Reads and removes the output and the control file.
    pub(super) fn collect(&self) -> (FileFound, FileFound) {
        let found = (
            take_file(&self.output(), OUTPUT_BYTES_MAX),
            take_file(&self.control(), CONTROL_BYTES_MAX),
        );
        if self.own_payload {
            let _ = fs::remove_file(&self.payload);
        }
        found
    }

    /// Removes the folder if it is empty; else returns it, for somebody who has time.
    pub(super) fn remove(self) -> Option<String> {
        match fs::remove_dir(&self.folder) {
            Ok(()) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(self.folder.to_string_lossy().into_owned()),
        }
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

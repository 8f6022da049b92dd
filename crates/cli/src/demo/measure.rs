//! What one task of the demo does: hashes and measures a file, in a process of its own.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::Told;

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A file, measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Its name, as it was given.
    pub(crate) file: String,
    /// In lower-case hexadecimal.
    pub(crate) sha256: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its line feeds.
    pub(crate) lines: u64,
}

/// A file that cannot be measured.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read: {cause}", path.display())]
pub(crate) struct MeasureError {
    path: PathBuf,
    cause: io::Error,
}

impl Told for MeasureError {}

/// Reads the file once, a chunk at a time.
pub(crate) fn measure(path: &Path) -> Result<Measured, MeasureError> {
    read(path).map_err(|cause| MeasureError {
        path: path.to_owned(),
        cause,
    })
}

fn read(path: &Path) -> io::Result<Measured> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let (mut bytes, mut lines) = (0, 0);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => &chunk[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(read);
        bytes += read.len() as u64;
        lines += read.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    let sha256 = hex::encode(hash.finalize());
    Ok(Measured {
        file: path.display().to_string(),
        sha256,
        bytes,
        lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_hashed_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "abc").unwrap();
        let measured = measure(&path).unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            (measured.sha256.as_str(), measured.bytes, measured.lines),
            (known, 3, 0)
        );
        std::fs::write(&path, "a\n".repeat(100_000)).unwrap();
        let measured = measure(&path).unwrap();
        assert_eq!((measured.bytes, measured.lines), (200_000, 100_000));
        assert!(measure(&folder.path().join("none")).is_err());
    }
}

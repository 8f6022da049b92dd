//! Syncing a large file so that others who sync on the same disk need not wait for all of it.
//!
//! A sync gives the disk all that was written since the last one, of a busy store some 60 MB, and
//! the journal's few bytes that come a moment later wait behind it: 40 ms on a disk that writes
//! 1.5 GB/s. So the file is first written piece by piece, and no more is handed over while much of
//! it is under way; then others wait for that at the most.

use std::fs::File;
use std::io;

/// Makes everything durable that was written to the file, by whomever.
pub(super) fn sync(file: &File) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    pieces::write_back(file)?;
    file.sync_data()
}

#[cfg(target_os = "linux")]
mod pieces {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::time::{Duration, Instant};

    /// Bytes that are looked at, and handed over, at once.
    const PIECE: u64 = 2 << 20;
    /// How long handing over takes until all of it is waited for. The kernel does not say how much of
    /// a piece is dirty, but what it hands over costs it time: in a millisecond some 6 MiB in a row,
    /// or a few hundred pages that lie about, each of which a disk writes in some milliseconds.
    /// Waiting for each piece would take seconds for a store with a few dirty pages in all of them.
    const HANDED_OVER: Duration = Duration::from_millis(1);

    /// Writes what is dirty in the file: a sync without the metadata, which promises nothing.
    pub(super) fn write_back(file: &File) -> io::Result<()> {
        let (mut start, mut spent) = (0, Duration::ZERO);
        for offset in (0..file.metadata()?.len()).step_by(PIECE as usize) {
            let begun = Instant::now();
            match range(file, offset, PIECE, libc::SYNC_FILE_RANGE_WRITE) {
                // Not every file system knows it: then there is nothing to be had from it.
                Err(error) if is_unknown(&error) => return Ok(()),
                handed_over => handed_over?,
            }
            spent += begun.elapsed();
            if spent > HANDED_OVER {
                let end = offset + PIECE;
                range(file, start, end - start, libc::SYNC_FILE_RANGE_WAIT_AFTER)?;
                (start, spent) = (end, Duration::ZERO);
            }
        }
        Ok(())
    }

    fn is_unknown(error: &io::Error) -> bool {
        let unknown = [libc::ENOSYS, libc::EINVAL, libc::EOPNOTSUPP, libc::ESPIPE];
        error.raw_os_error().is_some_and(|e| unknown.contains(&e))
    }

    #[expect(unsafe_code, reason = "sync_file_range(2) has no safe wrapper")]
    fn range(file: &File, offset: u64, bytes: u64, flags: libc::c_uint) -> io::Result<()> {
        let (offset, bytes) = (offset as libc::off64_t, bytes as libc::off64_t);
        // SAFETY: it takes numbers and touches no memory of ours; the descriptor is open for as long
        // as the file is borrowed.
        match unsafe { libc::sync_file_range(file.as_raw_fd(), offset, bytes, flags) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    #[cfg(test)]
    #[test]
    fn what_cannot_be_written_in_pieces_is_no_failure() {
        let (_reader, writer) = io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(writer));
        let error = range(&pipe, 0, PIECE, libc::SYNC_FILE_RANGE_WRITE).unwrap_err();
        assert!(is_unknown(&error), "{error}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    #[test]
    fn a_file_of_any_size_is_synced() {
        let mut file = tempfile::tempfile().unwrap();
        sync(&file).unwrap();
        file.write_all(&vec![1; (5 << 20) + 1]).unwrap();
        sync(&file).unwrap();
        // Far behind a hole.
        file.seek(SeekFrom::Start(1 << 30)).unwrap();
        file.write_all(b"end").unwrap();
        sync(&file).unwrap();
    }
}

//! Syncing a large file so that others who sync on the same disk need not wait for all of it.
//!
//! A sync gives the disk all that was written since the last one, of a busy store some 60 MB, and
//! the journal's few bytes that come a moment later wait behind it: 40 ms on a disk that writes
//! 1.5 GB/s. So the file is first written piece by piece, each when the one before it is on the
//! disk; then others wait for a piece at the most.

use std::fs::File;
use std::io;

/// Bytes of a piece: two milliseconds of such a disk.
#[cfg(target_os = "linux")]
const PIECE: u64 = 2 << 20;

/// Makes everything durable that was written to the file, by whomever.
pub(super) fn sync(file: &File) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    for offset in (0..file.metadata()?.len()).step_by(PIECE as usize) {
        match write_back(file, offset, PIECE) {
            // Not every file system knows it: then there is nothing to be had from it.
            Err(error) if is_unknown(&error) => break,
            written => written?,
        }
    }
    file.sync_data()
}

#[cfg(target_os = "linux")]
fn is_unknown(error: &io::Error) -> bool {
    let unknown = [libc::ENOSYS, libc::EINVAL, libc::EOPNOTSUPP, libc::ESPIPE];
    error.raw_os_error().is_some_and(|e| unknown.contains(&e))
}

/// Writes what is dirty in a range, and waits for it: a sync without the metadata, which promises
/// nothing.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "sync_file_range(2) has no safe wrapper")]
fn write_back(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    let (offset, bytes) = (offset as libc::off64_t, bytes as libc::off64_t);
    // SAFETY: it takes numbers and touches no memory of ours; the descriptor is open for as long as
    // the file is borrowed.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), offset, bytes, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_of_any_size_is_synced() {
        let mut file = tempfile::tempfile().unwrap();
        sync(&file).unwrap();
        file.write_all(&vec![1; (5 << 20) + 1]).unwrap();
        sync(&file).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_written_in_pieces_is_synced_all_the_same() {
        let (_reader, writer) = std::io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(writer));
        let error = write_back(&pipe, 0, PIECE).unwrap_err();
        assert!(is_unknown(&error), "{error}");
    }
}

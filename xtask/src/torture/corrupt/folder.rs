//! A stopped server's data folder in memory, to be written again and again with one thing in it
//! damaged.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rand::Rng;
use rand::rngs::StdRng;

/// Files are mostly zeros that nobody wrote: they are kept, and written, in pieces.
const PIECE: usize = 4096;

/// Files that say nothing, and which a server makes anew.
const WITHOUT_CONTENT: [&str; 3] = ["lock", "address", "-shm"];

/// One file: its length, and the pieces that are not all zeros.
pub(crate) struct Kept {
    /// Relative to the folder.
    pub(crate) name: PathBuf,
    length: u64,
    pieces: Vec<(u64, Vec<u8>)>,
}

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Damage {
    /// A bit of the byte at the offset.
    Flip(u64, u8),
    /// Everything from the offset on is gone.
    Truncate(u64),
    /// So many bytes from the offset on read as zeros.
    Zero(u64, usize),
}

/// Reads all files below a folder.
pub(crate) fn read(folder: &Path) -> Result<Vec<Kept>> {
    let (mut files, mut left) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(here) = left.pop() {
        for entry in fs::read_dir(&here)? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let name = path.strip_prefix(folder)?.to_owned();
            files.push(Kept::read(&path, name)?);
        }
    }
    files.sort_unstable_by(|one, two| one.name.cmp(&two.name));
    Ok(files)
}

impl Kept {
    fn read(path: &Path, name: PathBuf) -> Result<Kept> {
        let bytes = fs::read(path)?;
        let chunks = bytes.chunks(PIECE).enumerate();
        let written = chunks.filter(|(_, piece)| piece.iter().any(|byte| *byte != 0));
        let pieces = written.map(|(at, piece)| ((at * PIECE) as u64, piece.to_vec()));
        Ok(Kept {
            name,
            length: bytes.len() as u64,
            pieces: pieces.collect(),
        })
    }

    pub(crate) fn has_content(&self) -> bool {
        let name = self.name.to_string_lossy();
        !self.pieces.is_empty() && !WITHOUT_CONTENT.iter().any(|end| name.ends_with(end))
    }

    /// Something that may happen to it, mostly where something was written.
    pub(crate) fn draw(&self, dice: &mut StdRng) -> Damage {
        let (start, piece) = &self.pieces[dice.random_range(0..self.pieces.len())];
        let written = piece
            .iter()
            .rposition(|byte| *byte != 0)
            .unwrap_or_default();
        let offset = start + dice.random_range(0..=written) as u64;
        match dice.random_range(0..10) {
            0..6 => Damage::Flip(offset, 1 << dice.random_range(0..8)),
            6..9 => Damage::Truncate(offset),
            _ => Damage::Zero(offset / 512 * 512, 512),
        }
    }

    pub(crate) fn write(&self, folder: &Path, damage: Option<Damage>) -> Result<()> {
        let path = folder.join(&self.name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(path)?;
        file.set_len(self.length)?;
        for (start, piece) in &self.pieces {
            file.write_all_at(piece, *start)?;
        }
        match damage {
            None => {}
            Some(Damage::Truncate(length)) => file.set_len(length)?,
            Some(Damage::Flip(offset, bit)) => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, offset)?;
                file.write_all_at(&[byte[0] ^ bit], offset)?;
            }
            Some(Damage::Zero(offset, length)) => {
                let end = self.length.min(offset + length as u64);
                file.write_all_at(&vec![0; (end - offset) as usize], offset)?;
            }
        }
        Ok(())
    }
}

/// The durable position that a witness file tells of: everything below it was synced.
pub(crate) fn witnessed(files: &[Kept]) -> Option<u64> {
    let witness = files.iter().find(|file| file.name.ends_with("witness"))?;
    let slot = |(_, piece): &(u64, Vec<u8>)| {
        let number = |at: usize| Some(u64::from_le_bytes(piece.get(at..at + 8)?.try_into().ok()?));
        (piece.get(..8)? == b"CAPWIT01").then_some((number(24)?, number(32)?))
    };
    let newest = witness.pieces.iter().filter_map(slot).max()?;
    Some(newest.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_written_as_it_was_read_but_for_the_damage() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut bytes = vec![0; 20_000];
        bytes[9_000] = 5;
        fs::create_dir(from.path().join("in")).unwrap();
        fs::write(from.path().join("in/file"), &bytes).unwrap();
        let files = read(from.path()).unwrap();
        let read = || fs::read(to.path().join("in/file")).unwrap();
        files[0].write(to.path(), None).unwrap();
        assert_eq!(read(), bytes);
        files[0]
            .write(to.path(), Some(Damage::Flip(9_000, 4)))
            .unwrap();
        assert_eq!(read()[9_000], 1);
        files[0]
            .write(to.path(), Some(Damage::Truncate(100)))
            .unwrap();
        assert_eq!(read().len(), 100);
    }
}

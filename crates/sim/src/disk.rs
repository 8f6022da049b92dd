//! The disk under the journal: the faulty one, or for planted bugs one that is used carelessly.

use std::io::{self, IoSlice};
use std::sync::Arc;

use capataz_journal::disk::faulty::FaultyDisk;
use capataz_journal::disk::{Disk, DiskFile, DiskLock};

use crate::mutant::Mutant;

/// The disk that a journal is opened on.
pub(crate) fn for_journal(disk: &FaultyDisk, mutant: Option<Mutant>) -> Arc<dyn Disk> {
    match mutant {
        Some(
            mutant @ (Mutant::SyncSkipped | Mutant::FolderNotSynced | Mutant::FailedSyncRetried),
        ) => Arc::new(Careless(disk.clone(), mutant)),
        _ => Arc::new(disk.clone()),
    }
}

struct Careless(FaultyDisk, Mutant);

struct CarelessFile(Arc<dyn DiskFile>, Mutant);

impl Disk for Careless {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(CarelessFile(self.0.create(name)?, self.1)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(CarelessFile(self.0.open(name)?, self.1)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.0.create_folder(name)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        match self.1 {
            Mutant::FolderNotSynced => Ok(()),
            _ => self.0.sync_folder(folder),
        }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.0.lock(name)
    }
}

impl DiskFile for CarelessFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.0.write_at(parts, offset)
    }

    fn sync(&self) -> io::Result<()> {
        match self.1 {
            Mutant::SyncSkipped => Ok(()),
            Mutant::FailedSyncRetried => self.0.sync().or_else(|_| self.0.sync()),
            _ => self.0.sync(),
        }
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        self.0.reserve(bytes)
    }
}

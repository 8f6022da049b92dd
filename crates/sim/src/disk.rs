//! The disk under the journal: the faulty one, or for one planted bug one whose syncs do nothing.

use std::io::{self, IoSlice};
use std::sync::Arc;

use capataz_journal::disk::faulty::FaultyDisk;
use capataz_journal::disk::{Disk, DiskFile, DiskLock};

use crate::mutant::Mutant;

/// The disk that a journal is opened on.
pub(crate) fn for_journal(disk: &FaultyDisk, mutant: Option<Mutant>) -> Arc<dyn Disk> {
    match mutant {
        Some(Mutant::SyncSkipped) => Arc::new(Forgetful(disk.clone())),
        _ => Arc::new(disk.clone()),
    }
}

struct Forgetful(FaultyDisk);

struct ForgetfulFile(Arc<dyn DiskFile>);

impl Disk for Forgetful {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(ForgetfulFile(self.0.create(name)?)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(ForgetfulFile(self.0.open(name)?)))
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
        self.0.sync_folder(folder)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.0.lock(name)
    }
}

impl DiskFile for ForgetfulFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.0.write_at(parts, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        self.0.reserve(bytes)
    }
}

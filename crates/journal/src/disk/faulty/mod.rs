//! A disk in memory that tears, loses and corrupts, the same way each time for the same seed.
//!
//! It keeps what a program sees apart from what would survive a power cut: per file in sectors of
//! 512 bytes, and for the names in the folder. [`FaultyDisk::crash`] keeps an arbitrary part of
//! what was not synced; [`FaultyDisk::kill`] keeps everything, as the page cache does when only the
//! process dies. A failed sync drops what it should have written and says nothing of it later, as
//! kernels do.

mod dice;
mod image;
mod world;

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::world::World;
use super::{Disk, DiskFile, DiskLock};

/// The kinds of operation that can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Disk::create`].
    Create,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::sync_folder`].
    SyncFolder,
    /// [`DiskFile::read_at`].
    Read,
    /// [`DiskFile::write_at`]; a part of the write may have happened.
    Write,
    /// [`DiskFile::sync`]; what was to be synced is lost, however often it is synced again.
    Sync,
    /// [`DiskFile::reserve`].
    Reserve,
}

/// What a disk did that no sound one does: planned failures that something has met, and power cuts
/// that cost something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Syncs that failed.
    pub failed_syncs: u64,
    /// Writes that failed.
    pub failed_writes: u64,
    /// Power cuts that lost something unsynced.
    pub losses: u64,
    /// Writes that failed midway, and power cuts that kept only a part of what was unsynced.
    pub tears: u64,
}

/// A disk in memory with faults at will. Clones are handles on the same disk.
///
/// It holds every file twice, and every unsynced write once more: give the journals on it small
/// segments.
#[derive(Clone)]
pub struct FaultyDisk {
    world: Arc<Mutex<World>>,
}

impl FaultyDisk {
    /// An empty disk; `seed` decides what is lost where chance decides.
    pub fn new(seed: u64) -> Self {
        Self::from_world(World::new(seed))
    }

    fn from_world(world: World) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power, and gives it back: of what was not synced, `seed` decides what survives.
    /// All open handles and locks are dead.
    pub fn crash(&self, seed: u64) {
        self.world().crash(seed);
    }

    /// Ends the process only: all open handles and locks are dead, what was written stays, synced
    /// or not.
    pub fn kill(&self) {
        self.world().kill();
    }

    /// A copy of the disk as it is now, without open handles, locks and planned faults.
    pub fn fork(&self) -> Self {
        let mut world = self.world().clone();
        world.kill();
        world.forget_plans();
        Self::from_world(world)
    }

    /// How many operations that change something were done so far.
    pub fn changes(&self) -> u64 {
        self.world().changes()
    }

    /// Lets `count` more changing operations happen; then the power is gone until
    /// [`FaultyDisk::crash`].
    pub fn cut_after(&self, count: u64) {
        self.world().cut_after(count);
    }

    /// Fails the `nth` (from 1) operation of that kind from now on, once.
    pub fn fail(&self, operation: Operation, nth: u64, error: io::ErrorKind) {
        self.world().fail(operation, nth, error);
    }

    /// What it has done since this was asked last.
    pub fn take_met(&self) -> Met {
        std::mem::take(&mut self.world().met)
    }

    /// Forgets all planned failures and cuts.
    pub fn heal(&self) {
        self.world().forget_plans();
    }

    /// Limits the sum of all file sizes, in bytes; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world().set_capacity(bytes);
    }

    /// Inverts one bit of a file, as rot does: durable, and unnoticed.
    pub fn flip(&self, name: &str, byte: u64, bit: u8) -> io::Result<()> {
        self.world().flip(name, byte, bit)
    }

    /// What a file holds.
    pub fn contents(&self, name: &str) -> io::Result<Vec<u8>> {
        self.world().contents(name)
    }

    /// Puts a file there, durable at once.
    pub fn put(&self, name: &str, contents: Vec<u8>) {
        self.world().put(name, contents);
    }

    /// Takes a file away, durable at once.
    pub fn take_away(&self, name: &str) -> io::Result<()> {
        self.world().take_away(name)
    }
}

impl Disk for FaultyDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let (boot, id) = self.world().create(name)?;
        let disk = self.clone();
        Ok(Arc::new(FaultyFile { disk, boot, id }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let (boot, id) = self.world().open(name)?;
        let disk = self.clone();
        Ok(Arc::new(FaultyFile { disk, boot, id }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.world().list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.world().rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.world().remove(name)
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.world().create_folder(name)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.world().sync_folder(folder)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.world().room())
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        let boot = self.world().lock(name)?;
        Ok(Box::new(FaultyLock {
            disk: self.clone(),
            boot,
            name: name.to_owned(),
        }))
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    boot: u64,
    id: u64,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.world().read(self.boot, self.id, into, offset)
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        self.disk.world().write(self.boot, self.id, &bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.world().sync(self.boot, self.id)
    }

    fn size(&self) -> io::Result<u64> {
        self.disk.world().size(self.boot, self.id)
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        self.disk.world().reserve(self.boot, self.id, bytes)
    }
}

struct FaultyLock {
    disk: FaultyDisk,
    boot: u64,
    name: String,
}

impl DiskLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.disk.world().unlock(self.boot, &self.name);
    }
}

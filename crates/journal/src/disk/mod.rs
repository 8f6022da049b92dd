//! The little that a file journal needs of a disk, so that a simulation can stand in for it.
//!
//! A disk is one folder. Names are relative to it; a name may hold one `/` for a sub-folder made
//! with [`Disk::create_folder`]. Nothing here interprets what it stores.

pub mod faulty;
mod real;

use std::io::{self, IoSlice};
use std::sync::Arc;

pub use real::{RealDisk, create_folders};

/// A folder of files.
pub trait Disk: Send + Sync {
    /// Creates an empty file for reading and writing; replaces one of that name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing file for reading and writing. `NotFound` when there is none.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// The names of all files directly in the folder, sorted.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Gives a file another name, atomically; replaces one of that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Handles on it stay usable.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes a sub-folder. `AlreadyExists` when there is one.
    fn create_folder(&self, name: &str) -> io::Result<()>;

    /// Makes all changes of names in the folder durable; `folder` is a sub-folder or empty.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// How many bytes may still be written, as far as the disk knows.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Takes an exclusive lock that lasts until the guard is dropped. `WouldBlock` when another
    /// process (or handle) has it.
    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>>;
}

/// One open file. Positional only, so that readers and the writer never disturb each other.
pub trait DiskFile: Send + Sync {
    /// Reads into `into` from `offset` until it is full or the file ends; returns how much.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `parts`, one after another, from `offset` on.
    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Makes everything written durable, and the length with it.
    fn sync(&self) -> io::Result<()>;

    /// The length in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Makes the file at least `bytes` long, with room on the disk where the disk can promise it.
    /// What was not written reads as zeros.
    fn reserve(&self, bytes: u64) -> io::Result<()>;
}

/// Keeps a folder locked for as long as it lives.
pub trait DiskLock: Send + Sync {}

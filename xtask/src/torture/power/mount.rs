//! The forgetting disk as a file system that the kernel mounts: any program can be put on it, and
//! none of its calls goes past it, whichever way it makes them.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyWrite,
    Request, TimeOrNow, WriteFlags,
};

use super::disk::{Disk, Folder, Node, ROOM, ROOT};
use super::file::{File, PAGE};

/// How long the kernel may believe what it was told: nobody else changes anything.
const TOLD: Duration = Duration::from_secs(3600);

/// How long a mount may stay in use after its last process was reaped.
const BUSY: Duration = Duration::from_secs(10);

/// A disk that lives on while it is not mounted.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Disk>>);

impl Shared {
    pub(crate) fn new(disk: Disk) -> Shared {
        Shared(Arc::new(Mutex::new(disk)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn mount(&self, at: &Path) -> Result<Mounted> {
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("capataz-torture".to_owned()),
            MountOption::NoAtime,
        ];
        let session = fuser::spawn_mount(self.clone(), at, &config);
        let session = session.context("no FUSE here: it needs root and /dev/fuse")?;
        Ok(Mounted { session })
    }

    fn attributes(&self, node: u64) -> Result<FileAttr, Errno> {
        let disk = self.lock();
        let (kind, size, bytes) = match disk.nodes.get(&node).ok_or(Errno::ENOENT)? {
            Node::Folder(_) => (FileType::Directory, 0, 0),
            Node::File(file) => (FileType::RegularFile, file.size(), file.bytes()),
        };
        let now = SystemTime::now();
        Ok(FileAttr {
            ino: INodeNo(node),
            size,
            blocks: bytes / 512,
            atime: now,
            mtime: now,
            ctime: now,
            crtime: UNIX_EPOCH,
            kind,
            perm: if kind == FileType::Directory {
                0o700
            } else {
                0o600
            },
            nlink: 1,
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            rdev: 0,
            blksize: PAGE as u32,
            flags: 0,
        })
    }
}

/// Unmounts when it ends.
pub(crate) struct Mounted {
    session: BackgroundSession,
}

impl Mounted {
    /// The kernel forgets what it cached with the mount.
    pub(crate) fn unmount(self, at: &Path) -> Result<()> {
        let begun = Instant::now();
        // What a killed process had open is closed by the kernel a moment later.
        while let Err(error) = nix::mount::umount(at) {
            let busy = error == nix::Error::EBUSY && begun.elapsed() < BUSY;
            anyhow::ensure!(busy, "{} cannot be unmounted: {error}", at.display());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.session
            .join()
            .or_else(|error| match error.raw_os_error() {
                Some(code) if code == nix::Error::ENODEV as i32 => Ok(()),
                _ => Err(error.into()),
            })
    }
}

fn text(name: &OsStr) -> Result<&str, Errno> {
    name.to_str().ok_or(Errno::EINVAL)
}

impl Filesystem for Shared {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = text(name).and_then(|name| self.lock().find(parent.0, name));
        match found.and_then(|node| self.attributes(node)) {
            Ok(attributes) => reply.entry(&TOLD, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(node.0) {
            Ok(attributes) => reply.attr(&TOLD, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let resize = |size| {
            let mut disk = self.lock();
            disk.change()?;
            disk.file(node.0)?.0.resize(size);
            Ok(())
        };
        let done = size.map_or(Ok(()), resize);
        match done.and_then(|()| self.attributes(node.0)) {
            Ok(attributes) => reply.attr(&TOLD, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let folder = Node::Folder(Folder::default());
        let added = text(name).and_then(|name| self.lock().add(parent.0, name, folder));
        match added.and_then(|node| self.attributes(node)) {
            Ok(attributes) => reply.entry(&TOLD, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let file = Node::File(File::default());
        let added = text(name).and_then(|name| self.lock().add(parent.0, name, file));
        match added.and_then(|node| self.attributes(node)) {
            Ok(attributes) => {
                let (handle, flags) = (FileHandle(0), FopenFlags::empty());
                reply.created(&TOLD, &attributes, Generation(0), handle, flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        end(
            reply,
            text(name).and_then(|name| self.lock().remove(parent.0, name)),
        );
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        end(
            reply,
            text(name).and_then(|name| self.lock().remove(parent.0, name)),
        );
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if parent != new_parent {
            return reply.error(Errno::EXDEV);
        }
        let names = text(name).and_then(|from| Ok((from, text(new_name)?)));
        end(
            reply,
            names.and_then(|(from, to)| self.lock().rename(parent.0, from, to)),
        );
    }

    fn read(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut disk = self.lock();
        match disk.file(node.0) {
            Ok((file, _)) => reply.data(&file.read(offset, size as usize)),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut disk = self.lock();
        let written = disk.change().and_then(|()| {
            let (file, dice) = disk.file(node.0)?;
            file.write(offset, data, dice);
            Ok(())
        });
        match written {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        end(reply, self.lock().sync(node.0));
    }

    fn fsyncdir(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        end(reply, self.lock().sync(node.0));
    }

    fn readdir(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut disk = self.lock();
        let names = match disk.folder(node.0) {
            Ok(folder) => folder.names.clone(),
            Err(error) => return reply.error(error),
        };
        let dots = [(".".to_owned(), node.0), ("..".to_owned(), ROOT)];
        let entries = dots.into_iter().chain(names).enumerate();
        for (at, (name, number)) in entries.skip(offset as usize) {
            let kind = match disk.nodes.get(&number) {
                Some(Node::File(_)) => FileType::RegularFile,
                _ => FileType::Directory,
            };
            if reply.add(INodeNo(number), at as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let blocks = ROOM / PAGE as u64;
        reply.statfs(blocks, blocks, blocks, 0, 0, PAGE as u32, 255, PAGE as u32);
    }

    fn fallocate(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let mut disk = self.lock();
        let done = disk.change().and_then(|()| {
            let (file, _) = disk.file(node.0)?;
            file.resize(file.size().max(offset + length));
            Ok(())
        });
        end(reply, done);
    }
}

fn end(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

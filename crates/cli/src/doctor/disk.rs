//! What the data folder lies on.

use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};
use rustix::fs::{StatVfs, statfs, statvfs};

use super::Check;

/// Below this a server refuses submissions, so it is no place to begin.
const FREE_NEEDED: u64 = 256 << 20;

/// Below this a queue of a few million tasks fills it.
const FREE_WANTED: u64 = 4 << 30;

/// Below this a server with a few hundred workers and clients runs out.
const OPEN_FILES_WANTED: u64 = 4_096;

/// Magic numbers of `statfs(2)` with a name, and what is wrong with them for a journal.
const FILE_SYSTEMS: [(u64, &str, &str); 16] = [
    (0xEF53, "ext4", ""),
    (0x5846_5342, "xfs", ""),
    (0x9123_683E, "btrfs", ""),
    (0x2FC1_2FC1, "zfs", ""),
    (0xF2F5_2010, "f2fs", ""),
    (0xCA45_1A4E, "bcachefs", ""),
    (0x6969, "nfs", NETWORK),
    (0xFF53_4D42, "cifs", NETWORK),
    (0xFE53_4D42, "smb2", NETWORK),
    (0x0102_1997, "9p", NETWORK),
    (0x00C3_6400, "ceph", NETWORK),
    (0x6573_5546, "fuse", NETWORK),
    (0x794C_7630, "overlay", LAYERS),
    (
        0x6161_3563,
        "squashfs",
        "it cannot be written; choose another --data-dir",
    ),
    (0x0102_1994, "tmpfs", MEMORY),
    (0x8584_58F6, "ramfs", MEMORY),
];

const NETWORK: &str = "a sync may be answered before the data is safe, and two hosts could open \
    one journal; use a local disk";
const LAYERS: &str = "data in a container's own layer is gone with the container; mount a volume";
const MEMORY: &str = "it is memory: everything is gone after a restart of the machine";

/// The folder, or the nearest one above it that is there.
pub(super) fn existing(folder: &Path) -> &Path {
    let there = folder.ancestors().find(|path| path.is_dir());
    there.unwrap_or(Path::new("."))
}

/// Which file system it is.
pub(super) fn file_system(folder: &Path) -> Check {
    let name = "file system";
    match statfs(folder) {
        Ok(found) => judge(name, found.f_type as u64),
        Err(errno) => Check::failed(
            name,
            format!("{} cannot be examined: {errno}", folder.display()),
            "choose another --data-dir",
        ),
    }
}

/// The name of the file system under a folder, which need not be there yet; a number when it has
/// no name here, and `None` when it cannot be examined.
pub(crate) fn file_system_name(folder: &Path) -> Option<String> {
    let found = statfs(existing(folder)).ok()?;
    let magic = found.f_type as u64;
    Some(known(magic).map_or_else(|| format!("{magic:#x}"), |(name, _)| name.to_owned()))
}

/// A file system's name, and what is wrong with it.
fn known(magic: u64) -> Option<(&'static str, &'static str)> {
    // Some platforms sign-extend the 32 bits of the magic number.
    let magic = magic & 0xFFFF_FFFF;
    let found = FILE_SYSTEMS.iter().find(|(number, ..)| *number == magic);
    found.map(|(_, name, wrong)| (*name, *wrong))
}

fn judge(name: &'static str, magic: u64) -> Check {
    match known(magic) {
        Some((system, "")) => Check::ok(name, system.to_owned()),
        Some((system, wrong)) => Check::warning(name, system.to_owned(), wrong),
        None => Check::warning(
            name,
            format!("unknown, number {magic:#x}"),
            "check that it keeps synced data through a power loss",
        ),
    }
}

/// How much a server could still write.
pub(super) fn free_space(folder: &Path) -> Check {
    let name = "free space";
    let free = match statvfs(folder) {
        Ok(StatVfs {
            f_bavail, f_frsize, ..
        }) => f_bavail.saturating_mul(f_frsize),
        Err(errno) => {
            let found = format!("{} cannot be examined: {errno}", folder.display());
            return Check::failed(name, found, "choose another --data-dir");
        }
    };
    let found = format!("{:.1} GiB", free as f64 / f64::from(1 << 30));
    match free {
        0..FREE_NEEDED => Check::failed(name, found, "submissions are refused below 256 MiB"),
        FREE_NEEDED..FREE_WANTED => Check::warning(name, found, "4 GiB or more are advised"),
        _ => Check::ok(name, found),
    }
}

/// How many files and connections a process may have open.
pub(super) fn open_files() -> Check {
    let name = "open files";
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) if soft < OPEN_FILES_WANTED => {
            Check::warning(name, format!("at most {soft}"), "raise it: ulimit -n 65536")
        }
        Ok((soft, _)) => Check::ok(name, format!("at most {soft}")),
        Err(errno) => Check::warning(name, format!("unknown: {errno}"), "see ulimit -n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn memory_layers_and_networks_are_warned_of() {
        for magic in [
            0x0102_1994,
            0x794C_7630,
            0x6969,
            0xFFFF_FFFF_FF53_4D42,
            0xDEAD,
        ] {
            assert_eq!(judge("x", magic).verdict, Verdict::Warning, "{magic:#x}");
        }
        assert_eq!(judge("x", 0xEF53).verdict, Verdict::Ok);
    }
}

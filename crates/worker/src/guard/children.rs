//! The guard's own children: the main processes it started, and the orphans it inherited.

use std::fs::{self, File};
use std::io::{Read, Seek};

use nix::unistd::{Pid, getpid};

/// Lists the children of this process.
pub(super) struct Children {
    /// The kernel's list; older or smaller kernels have none.
    list: Option<File>,
    text: String,
}

impl Children {
    pub(super) fn new() -> Children {
        let pid = getpid();
        let list = File::open(format!("/proc/self/task/{pid}/children")).ok();
        Children {
            list,
            text: String::new(),
        }
    }

    /// All children of this moment, the dead that are not reaped included.
    pub(super) fn now(&mut self) -> Vec<Pid> {
        self.listed().unwrap_or_else(scanned)
    }

    fn listed(&mut self) -> Option<Vec<Pid>> {
        let list = self.list.as_mut()?;
        self.text.clear();
        list.rewind().ok()?;
        list.read_to_string(&mut self.text).ok()?;
        let pids = self
            .text
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        Some(pids.map(Pid::from_raw).collect())
    }
}

/// The same, from a walk over all processes.
fn scanned() -> Vec<Pid> {
    let own = getpid();
    let parent_is_own = |pid: &Pid| parent_of(*pid) == Some(own);
    processes().filter(parent_is_own).collect()
}

/// All processes of the host that can be seen from here.
pub(crate) fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
}

fn parent_of(pid: Pid) -> Option<Pid> {
    stat_field(pid, 4)?.parse().ok().map(Pid::from_raw)
}

/// Whether a process has ended and only waits to be reaped, or is not there at all.
pub(crate) fn is_dead(pid: Pid) -> bool {
    stat_field(pid, 3).is_none_or(|state| state == "Z" || state == "X")
}

/// When a process started, in clock ticks since the boot: with its id, its identity.
pub(crate) fn start_time(pid: Pid) -> Option<u64> {
    stat_field(pid, 22)?.parse().ok()
}

/// A field of /proc/PID/stat by its number in proc(5), from 3 on.
fn stat_field(pid: Pid, number: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name, in parentheses, and may hold anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name
        .split_whitespace()
        .nth(number - 3)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scan_sees_a_child_and_its_end() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        assert!(scanned().contains(&pid));
        assert!(!is_dead(pid));
        assert!(start_time(pid) >= start_time(getpid()));
        child.kill().unwrap();
        let flags = nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT;
        nix::sys::wait::waitid(nix::sys::wait::Id::Pid(pid), flags).unwrap();
        assert!(is_dead(pid));
        child.wait().unwrap();
        assert!(!scanned().contains(&pid));
    }
}
